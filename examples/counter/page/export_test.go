package page

// ReadForm reads a form's body.
var ReadForm = readForm
