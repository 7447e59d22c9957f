package page_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cookiejar"
	"regexp"

	"github.com/mynakit/mynakit/examples/counter/page"
	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/point"
)

// A counter on this machine, with a reader for software cards.
func ExamplePage_Serve() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	db, err := sql.Open("sqlite", "file::memory:")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // one connection is one database in memory
	mall, err := mykey.ParseOperatorID("000002")
	if err != nil {
		log.Fatal(err)
	}
	city, err := shop.SampleProgramme()
	if err != nil {
		log.Fatal(err)
	}
	s, err := shop.Open(ctx, db, shop.Config{Keys: shop.NewKeys(), Scope: "141305-01", Mall: mall, Programmes: []point.Programme{city}})
	if err != nil {
		log.Fatal(err)
	}

	counter, err := page.New(page.Config{Shop: s, Reader: new(page.Slot), Terminal: "T-01", Name: "あおば商店街"})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- counter.Serve(ctx, listener) }()

	// A browser that opens the printed address.
	jar, err := cookiejar.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	resp, err := browser.Get("http://" + listener.Addr().String() + counter.Path())
	if err != nil {
		log.Fatal(err)
	}
	html, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range regexp.MustCompile(`class="name">([^<]+)<`).FindAllSubmatch(html, -1) {
		fmt.Println(string(name[1]))
	}
	stop()
	if err := <-served; err != nil {
		log.Fatal(err)
	}
	// Output:
	// サービスIDの登録
	// サービスIDの照会
	// ポイント券発行
	// ポイント券消込
	// 合算ポイント受取
	// 自治体ポイント集計
	// マイキーIDの作成・登録
	// ポイント利用
	// 商店街ポイント合算
	// ポイント券の再発行・取消
	// マイキーIDの変更・失効
	// 以前のマイキーIDの引き継ぎ
	// 住所変更の自動通知
	// ポイント付与
}

// A software card is put into the slot of a terminal, and taken out.
func ExampleSlot() {
	slot := new(page.Slot)
	slot.Insert(sample(1))
	card, err := slot.WaitCard(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	if c, ok := card.(io.Closer); ok {
		defer c.Close()
	}
	slot.Remove()
	fmt.Println(slot.WaitRemoved(context.Background()))
	// Output: <nil>
}
