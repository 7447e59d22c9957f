package shop

import (
	"slices"

	"github.com/mynakit/mynakit/apdu/pcsc"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/advice"
)

// Explain puts an error into words for a clerk, in both languages: that of
// package advice, with the errors of this package, of readers and of [LoadKeys].
// A program adds its own by more, which comes first.
func Explain(err error, more ...advice.Entry) advice.Advice {
	return advice.Explain(err, slices.Concat(more, readers(), own())...)
}

func say(kind string, retry advice.Retry, whatJA, doJA, whatEN, doEN string) advice.Advice {
	return advice.Advice{Kind: kind, Retry: retry, What: mykey.Text{JA: whatJA, EN: whatEN}, Do: mykey.Text{JA: doJA, EN: doEN}}
}

// readers is for package pcsc. Its errors of a card that left wrap those of
// package apdu, which the catalogue has.
func readers() []advice.Entry {
	return []advice.Entry{
		advice.For(say("no_pcsc", advice.Never,
			"このプログラムは、カードリーダー（PC/SC）に対応せずにビルドされています。", "macOSではcgoを有効にしてビルドしてください。",
			"This program was built without card readers (PC/SC).", "On macOS build it with cgo."),
			pcsc.ErrUnavailable),
		advice.For(say("reader_denied", advice.Never,
			"カードリーダーを使う権限がありません。", "Linuxではpolkitの規則で、このユーザーに org.debian.pcsc-lite.access_pcsc と access_card を許可してください。",
			"This user may not use the card reader.", "On Linux allow org.debian.pcsc-lite.access_pcsc and access_card for it in a polkit rule."),
			pcsc.ErrDenied),
		advice.For(say("no_pcsc", advice.Later,
			"カードリーダーのサービスが起動していません。", "Linuxではpcscd、Windowsでは「Smart Card」サービスを起動してください。",
			"The service for card readers is not running.", "Start pcscd on Linux, the service \"Smart Card\" on Windows."),
			pcsc.ErrNoService, pcsc.ErrProtocol),
		advice.For(say("no_reader", advice.Later,
			"カードリーダーが見つかりません。", "カードリーダーのケーブルを確認して、差し直してください。",
			"The card reader is not there.", "Check its cable and plug it in again."),
			pcsc.ErrUnknownReader),
		advice.For(say("reader_shared", advice.Later,
			"ほかのプログラムがカードを使っています。", "カードを使用中のプログラムを終了してから、やり直してください。",
			"Another program is using the card.", "Close it and try again."),
			pcsc.ErrSharing),
		advice.For(say("card_missing", advice.Card,
			"カードがセットされていません。", "マイナンバーカードをセットしてください。",
			"There is no card on the reader.", "Put the Individual Number Card on it."),
			pcsc.ErrNoCard),
		advice.For(say("reader_stuck", advice.Later,
			"カードリーダーが応答しません。", "カードリーダーを差し直してください。",
			"The card reader does not answer.", "Unplug it and plug it in again."),
			pcsc.ErrGivenUp, pcsc.ErrClosed),
		advice.For(say("card_unresponsive", advice.Card,
			"カードが応答しません。", "裏表と向きを確認して、セットし直してください。",
			"The card does not answer.", "See that it lies the right way round, and put it in again."),
			pcsc.ErrUnresponsive),
		advice.For(say("interrupted", advice.Same,
			"カードの読み取りを終了しました。", "もう一度始めてください。",
			"Reading cards has ended.", "Start again."),
			pcsc.ErrStop),
	}
}

// own is for this package.
func own() []advice.Entry {
	return []advice.Entry{
		advice.For(say("no_roots", advice.Never,
			"ルート証明書が設定されていないため、カードを確認できません。", "J-LISのルート証明書を入手し、-roots で指定してください（入手先は jpki.NewVerifier の説明にあります）。",
			"Without root certificates a card cannot be told from a forged one.", "Get those of J-LIS and name the file with -roots (the documentation of jpki.NewVerifier says where they are)."),
			ErrNoRoots),
		advice.For(say("member_differs", advice.Never,
			"カードの氏名または生年月日が、会員の記録と一致しません。", "利用カード番号を確認してください。一致しない場合は引き継げません。",
			"Name or date of birth on the card are not those of the member.", "Check the member's number. If they differ, the ID is not handed over."),
			ErrMember),
		advice.For(say("recovery_off", advice.Never,
			"引き継ぎの設定がされていません。", "システム担当者に連絡してください。",
			"Recoveries are not set up here.", "Tell the system administrator."),
			ErrNoMembers),
		advice.For(say("no_mall_member", advice.Never,
			"商店街ポイントIDが登録されていません。", "先に商店街ポイントカードを、サービスIDとして登録してください。",
			"The holder has no member number of the mall here.", "Register the mall's point card as a Service ID first."),
			ErrNoMember),
		advice.For(say("key_reused", advice.Change,
			"同じ操作が、別の内容ですでに処理されています。", "最初の画面に戻って、やり直してください。",
			"The number of this operation was used for another one.", "Go back to the first screen and begin again."),
			ErrOrderKey),
		advice.For(say("config", advice.Never,
			"プログラムの設定が足りません。", "システム担当者に連絡してください。",
			"The shop's settings are incomplete.", "Tell the system administrator."),
			ErrConfig, ErrNoOutbox),
		advice.For(say("database_carry", advice.Never,
			"以前の版のポイントの記録を引き継げませんでした。", "データベースは変更していません。システム担当者に連絡してください。",
			"The accounts of an earlier version do not add up.", "Nothing was changed. Tell the system administrator."),
			ErrCarry),
		advice.For(say("key_file_open", advice.Never,
			"鍵ファイルが、ほかのユーザーにも読める設定です。", "chmod 600 で所有者だけが読めるようにしてください。読まれた可能性があるときは、システム担当者に連絡してください。",
			"Other users of this machine can read the key file.", "Give it to its owner alone (chmod 600), and tell the administrator if it may have been read."),
			ErrKeyFileOpen),
		advice.For(say("key_file", advice.Never,
			"鍵ファイルが壊れています。", "バックアップから復元してください。作り直すと、登録済みの利用者を照会できなくなります。",
			"The key file is damaged.", "Put the copy back. With a new one nobody is found any more."),
			ErrKeyFile),
	}
}
