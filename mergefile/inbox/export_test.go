package inbox

var (
	GoodName = goodName
	NewName  = newName
	OpenAs   = openAs
	Relocate = relocate

	OpenFolder = openFolder
)

type Folder = folder

// SetMost has an inbox keep fewer files in mind at a time.
func SetMost(b *Inbox, n int) { b.most = n }
