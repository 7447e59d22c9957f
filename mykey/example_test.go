package mykey_test

import (
	"fmt"
	"log"
	"strings"

	"github.com/mynakit/mynakit/mykey"
)

func ExampleParseID() {
	id, err := mykey.ParseID("MY123456")
	fmt.Println(id, err)
	_, err = mykey.ParseID("my123456")
	fmt.Println(err)
	// Output:
	// MY123456 <nil>
	// mykey: MyKey ID: wrong lower case at byte 0
}

func ExampleParseIDFold() {
	// At a keyboard only: what a Japanese input method makes of it.
	id, err := mykey.ParseIDFold("ｍｙ１２３４５６")
	fmt.Println(id, err)
	// Output: MY123456 <nil>
}

func ExampleParseMunicipality() {
	m, err := mykey.ParseMunicipality("011011")
	fmt.Println(m.Five(), m.PrefectureName(), err)
	_, err = mykey.Prefectures().Name(m)
	fmt.Println(err)
	_, err = mykey.ParseMunicipality("011010")
	fmt.Println(err)
	// Output:
	// 01101 北海道 <nil>
	// mykey: municipality code valid in form, but not in the table: 011011
	// mykey: municipality code: wrong check digit at byte 5
}

func ExampleReadMunicipalities() {
	table, err := mykey.ReadMunicipalities(strings.NewReader("団体コード,名称\n131016,千代田区\n141305,川崎市\n"))
	if err != nil {
		log.Fatal(err)
	}
	m, err := mykey.ParseMunicipality5("14130")
	if err != nil {
		log.Fatal(err)
	}
	name, err := table.Name(m)
	fmt.Println(m, name, err)
	// Output: 141305 川崎市 <nil>
}

func ExampleOperatorTable_All() {
	operators, err := mykey.ReadOperators(strings.NewReader("000002,あおば商店街\n000001,川崎市立図書館\n"))
	if err != nil {
		panic(err)
	}
	for o, name := range operators.All() {
		fmt.Println(o, name)
	}
	// Output:
	// 000001 川崎市立図書館
	// 000002 あおば商店街
}
