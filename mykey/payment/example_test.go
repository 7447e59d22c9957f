package payment_test

import (
	"fmt"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/payment"
)

func ExampleRules_Check() {
	rules := payment.Rules{"waon": {
		ID:    payment.TextRule{Min: 16, Max: 16, Chars: payment.Digits},
		Codes: []payment.TextRule{{Min: 4, Max: 4, Chars: payment.Digits}},
		Phone: true,
	}}
	form := payment.Application{
		Service:          "waon",
		PaymentServiceID: "6900000000000001",
		SecurityCodes:    []mykey.Secret{mykey.NewSecret("12E4")},
		PhoneLast4:       mykey.NewSecret("5678"),
	}
	fmt.Println(rules.Check(form))
	fmt.Println(form.SecurityCodes)
	// Output:
	// mykey: security code 1: wrong character at byte 2
	// [[redacted]]
}

func ExampleRules_Search() {
	rules := payment.Rules{
		"電子マネーWAON（イオンカード）": {Terms: "2026-09-01"},
		"ほかのペイ": {Keywords: []string{"スマートフォン"}},
	}
	fmt.Println(rules.Search("いおん"))
	// Output: [電子マネーWAON（イオンカード）]
}

func ExampleParsePagePassword() {
	_, err := payment.ParsePagePassword("abcdefgh")
	fmt.Println(err)
	password, err := payment.ParsePagePassword("abcdefg1")
	fmt.Println(password, err)
	// Output:
	// mykey: page password: wrong missing value
	// [redacted] <nil>
}

func ExampleParseOTP() {
	sent, _ := payment.ParseOTP("012345")
	typed, err := payment.ParseOTP("012345")
	fmt.Println(typed.Equal(sent), err)
	// Output: true <nil>
}
