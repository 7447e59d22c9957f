package inbox

var (
	GoodName = goodName
	NewName  = newName
	OpenAs   = openAs
	Relocate = relocate
)

const MaxSeen = maxSeen
