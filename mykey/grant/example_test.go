package grant_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"strings"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/grant"
	"github.com/mynakit/mynakit/mykey/point"
)

// A roster comes in, two people are tapped at the venue, and the points are
// granted when the device sends what it has.
func Example() {
	ctx := context.Background()
	check := func(err error) {
		if err != nil {
			log.Fatal(err)
		}
	}
	memory := func() *sql.DB {
		db, err := sql.Open("sqlite", ":memory:")
		check(err)
		db.SetMaxOpenConns(1) // each connection would be a database of its own
		return db
	}
	db, round := memory(), memory()
	defer db.Close()
	defer round.Close()
	points := exampleLedger(ctx, db)
	hanako, err := mykey.ParseID("HANAKO01")
	check(err)
	check(points.Enrol(ctx, hanako, point.Profile{}))
	card, err := jpki.ParseSerial("030D45")
	check(err)

	key, err := grant.NewKey([]byte("32 random bytes kept by the city"))
	check(err)
	office, err := grant.Open(ctx, db, grant.Config{Points: points, Key: key,
		Resolve: func(ctx context.Context, tx *sql.Tx, c grant.Card) (mykey.ID, error) {
			if c.Serial == card { // the registry's look-up
				return hanako, nil
			}
			return mykey.ID{}, nil
		}})
	check(err)
	p := grant.Programme{Code: "course", Account: "aoba", Name: "健康講座", Department: "福祉課", Points: 100, Roster: true}
	check(office.SetProgramme(ctx, p))
	file := "ポイント付与事業名,付与ポイント,マイキーID,名前,生年月日,住所,性別,電話番号,メールアドレス,備考\n" +
		"健康講座,100,HANAKO01,見本 花子,昭和15年1月1日,,,,,\n"
	rows, err := office.Import(ctx, p.Code, grant.ReadRoster(strings.NewReader(file), p, grant.UTF8))
	check(err)
	fmt.Println(rows, "row in the roster")

	device, err := grant.OpenDevice(ctx, round, grant.DeviceConfig{Office: key.Public(), Passphrase: grant.NewPassphrase([]byte("typed at each start"))})
	check(err)
	defer device.Close()
	check(office.Register(ctx, "000009", device.Epoch()))
	check(device.Tap(ctx, p.Code, "", grant.Card{Serial: card}))
	fmt.Println(device.Tap(ctx, p.Code, "", grant.Card{Serial: card}))

	chunk, err := device.Chunk(ctx, grant.MaxChunk)
	check(err)
	answer, err := office.Receive(ctx, chunk)
	check(err)
	check(device.Answer(ctx, answer))
	fmt.Println(answer.Verdicts[0].Verdict)
	// Output:
	// 1 row in the roster
	// grant: taken already
	// granted
}

// exampleLedger is a ledger of points with one programme.
func exampleLedger(ctx context.Context, db *sql.DB) *point.Ledger {
	points, err := point.Open(ctx, db, point.Config{})
	if err != nil {
		log.Fatal(err)
	}
	m, err := mykey.ParseMunicipality("131016")
	if err != nil {
		log.Fatal(err)
	}
	err = points.SetProgramme(ctx, point.Programme{Account: "aoba", Kind: point.Municipal, Name: "あおば市ポイント", Municipality: m,
		Contact: mykey.Contact{Organisation: "あおば市", Person: "見本 花子", PostalCode: "100-0001", Address: "A町1-1", Phone: "03-1234-5678", Mail: "p@city.example.jp"},
		Bank:    point.BankAccount{BankName: "あおば銀行", BankCode: "0001", BranchName: "本店", BranchCode: "001", Type: point.Ordinary, Number: "0012345", Holder: "アオバシ"}})
	if err != nil {
		log.Fatal(err)
	}
	return points
}
