//go:build !unix

package inbox

import "os"

// openFlags are plain: there are no pipes in directories, and an os.Root opens
// links as such before it follows them.
const openFlags = os.O_RDONLY
