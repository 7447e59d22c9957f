package tlv_test

import (
	"fmt"

	"github.com/mynakit/mynakit/apdu/tlv"
)

// A file of a card holds one object and is filled up with FF.
func ExampleNext() {
	file := []byte("\xFF\x10\x05hello\xFF\xFF\xFF")
	tag, value, rest, err := tlv.Next(file)
	fmt.Println(tag, string(value), len(rest), err)
	// Output: FF10 hello 3 <nil>
}

// The first bytes of a file tell how much there is to read.
func ExampleHeader() {
	tag, header, value, err := tlv.Header([]byte{0x30, 0x82, 0x06, 0x2B})
	fmt.Println(tag, header+value, err)
	// Output: 30 1583 <nil>
}

func ExampleFind() {
	b := []byte("\x6F\x09\x84\x02\x01\x02\xA5\x03\x50\x01M")
	label, err := tlv.Find(b, 0x6F, 0xA5, 0x50)
	fmt.Println(string(label), err)
	// Output: M <nil>
}

func ExampleWalk() {
	w := tlv.Walk([]byte("\x6F\x09\x84\x02\x01\x02\xA5\x03\x50\x01M"))
	for w.Next() {
		fmt.Println(w.Depth, w.Tag, len(w.Value))
	}
	fmt.Println(w.Err())
	// Output:
	// 0 6F 9
	// 1 84 2
	// 1 A5 3
	// 2 50 1
	// <nil>
}

func ExampleAppend() {
	b := tlv.Append(nil, 0xDF25, []byte("1"))
	fmt.Printf("%X\n", b)
	// Output: DF250131
}
