// Package secretcheck holds the test that no exported type of the module shows
// a secret. The test fills every exported type with marked values, sends it
// through fmt, log/slog, encoding/json, encoding/xml, encoding/gob and a dumper
// that works by reflection, and looks for the marks.
//
// Types that hold no secret may show what they hold; they stand in a list with
// the reason. A new exported type is missing in the list, and the test fails
// until somebody has decided.
package secretcheck
