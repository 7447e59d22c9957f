package mykey_test

import (
	"testing"

	"github.com/mynakit/mynakit/mykey"
)

func BenchmarkParseID(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := mykey.ParseID("MY123456"); err != nil {
			b.Fatal(err)
		}
	}
}
