// Package photo holds the picture on a card whose holder has none: JPEG 2000
// in the JP2 container, greyscale, 192 by 240 pixels. It is drawn by
// generate.go and shows nobody.
package photo

import _ "embed"

//go:generate go run generate.go

// JP2 is the picture.
//
//go:embed photo.jp2
var JP2 string
