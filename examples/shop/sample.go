package shop

import (
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
)

// SampleProgramme returns the points of a city that does not exist, あおば市, for
// demonstrations and tests. They lapse at the end of the next fiscal year.
func SampleProgramme() (point.Programme, error) {
	city, err := mykey.ParseMunicipality("141305")
	return point.Programme{
		Account:      "aoba",
		Kind:         point.Municipal,
		Name:         "あおば市ポイント",
		Expiry:       point.Expiry{Rule: point.FiscalYear, N: 1},
		Municipality: city,
		Contact: mykey.Contact{Organisation: "あおば市", Department: "商工課", Person: "見本 花子", PostalCode: "100-0001",
			Address: "あおば市A町1-1", Phone: "03-1234-5678", Mail: "points@city.example.jp"},
		Bank: point.BankAccount{BankName: "あおば銀行", BankCode: "0001", BranchName: "本店", BranchCode: "001",
			Type: point.Ordinary, Number: "0012345", Holder: "アオバシ カイケイカンリシャ"},
	}, err
}
