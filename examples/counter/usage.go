package main

import (
	"flag"
	"fmt"
	"time"

	"github.com/mynakit/mynakit/examples/internal/speak"
)

// flags are the program's, explained in a language.
func (o *options) flags(f *flag.FlagSet, lang string) {
	say := speak.VoiceIn(lang)
	speak.LangFlag(f, say)
	f.StringVar(&o.data, "data", "", say("データベース・鍵・ポイント券・受取用ファイルを置く`フォルダー`。省略するとユーザーのフォルダーを使います", "`folder` for database, keys, tickets and inbox; without it one of the user's own"))
	f.StringVar(&o.db, "db", "", say("PostgreSQLの`URL`（または host=… dbname=…）、またはフォルダーの外のSQLiteファイル。パスワードは PGPASSWORD か .pgpass で指定してください", "a PostgreSQL `URL`, or host=… dbname=…, or another SQLite file instead of the one in the folder; a password is better in PGPASSWORD or .pgpass"))
	f.StringVar(&o.reader, "reader", "sim", say("カードの`場所`：sim（見本）、auto、phone、またはPC/SCのカードリーダーの名前かその一部", "`where` the card is: sim, auto, phone, or a PC/SC reader's name or a part of it"))
	f.StringVar(&o.roots, "roots", "", say("実物のカードを検証するルート証明書の`ファイル`", "`file` with the root certificates that real cards are verified with"))
	f.StringVar(&o.listen, "listen", "127.0.0.1:35963", say("-reader phone が待ち受ける`アドレス`。この端末の外に開くと、暗証番号が暗号化されずにネットワークを流れます", "`address` where -reader phone waits; any but loopback sends the PIN in the clear over that network"))
	f.StringVar(&o.serve, "serve", "", say("窓口の画面の`アドレス`（例：127.0.0.1:8080）", "`address` of the web page, such as 127.0.0.1:8080"))
	f.StringVar(&o.samplesAddr, "samples", "", say("-serve と使います。見本のカードを操作する画面の、この端末だけの`アドレス`（例：127.0.0.1:8081）", "with -serve, a second page that steers the sample cards, at this loopback `address`, such as 127.0.0.1:8081"))
	f.StringVar(&o.terminal, "terminal", "OFFICE-1", say("端末の`名前`（端末ID）：英数字、ピリオド、ハイフン", "`name` of this terminal: letters, digits, full stops, hyphens"))
	f.StringVar(&o.place, "place", "", say("端末設置`場所`。集計はこの単位です", "the `place` where the terminal stands, by which a settlement adds up"))
	f.IntVar(&o.roll, "roll", 48, say("レシートプリンターの用紙の`桁数`：32（58 mm）、42（80 mm、512ドット）、48（80 mm、576ドット）", "`columns` of the receipt printer's paper: 32 (58 mm), 42 (80 mm, 512 dots), 48 (80 mm, 576 dots)"))
	f.StringVar(&o.printer, "printer", "", say("-serve と使います。レシートプリンターの`デバイス`（例：/dev/usb/lp0）、またはアドレス（例：192.0.2.7:9100）", "with -serve, the receipt printer: its `device`, such as /dev/usb/lp0, or its address, such as 192.0.2.7:9100"))
	f.BoolVar(&o.training, "training", false, say("練習モード：データは別の表に置き、印を付けます。本番ではこのポイント券とファイルを受け付けません", "practise: everything is in tables of its own and marked, and live shops refuse its tickets and files"))
	f.StringVar(&o.mark, "mark", "", say("送信済みの目印の`ファイル`。別のディスクに置き、バックアップからは戻しません。省略するとフォルダーの sent.mark です", "`file` that notes what was sent: on another disk, and never put back from a backup; without it sent.mark in the folder"))
	f.StringVar(&o.restored, "restored", "", say("データベースを復元した後に使います。それ以降に商店街が合算したファイルの`フォルダー`", "after the database was restored: `folder` of the files that the mall has merged since"))
	f.BoolVar(&o.version, "version", false, say("バージョンを表示して終了します", "print the version and end"))
	f.DurationVar(&o.wait, "wait", time.Minute, say("カードとその応答を待つ`時間`", "how `long` to wait for a card and each of its answers"))
	f.Usage = func() {
		fmt.Fprintln(f.Output(), say("counter の使い方：", "Usage of counter:"))
		speak.PrintFlags(f.Output(), f, say)
	}
}
