package shop

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/pcsc"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/inbox"
	"github.com/mynakit/mynakit/mergefile/ledger"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/ticket"
	"github.com/mynakit/mynakit/ticket/paper"
)

// Advice is what a clerk is told of an error: what happened and what to do.
type Advice struct {
	What, Do mykey.Text
	Code     mykey.ErrorCode // the platform's own code for it, or ""
}

// Explain puts an error into words for a clerk, in both languages. Every error
// has some; those of cards, PINs, holders, tickets, merge files and databases
// have their own. It says no more than the error itself, and so no secret; of a
// refused ticket it does not say why.
func Explain(err error) Advice {
	a := explain(err)
	a.Code, _ = registry.CodeOf(err)
	return a
}

func explain(err error) Advice {
	var pin *jpki.PINError
	if errors.As(err, &pin) && !pin.Blocked {
		return advice(
			fmt.Sprintf("%sが違います。あと%d回です。", pin.PIN.Label(jpki.Japanese), pin.Left),
			"ご本人に確かめてから、もう一度入力してください。",
			fmt.Sprintf("The %s is wrong. Tries left: %d.", pin.PIN.Label(jpki.English), pin.Left),
			"Let the holder think again before typing it once more.")
	}
	if a, ok := explainDatabase(err); ok {
		return a
	}
	for _, known := range advices() {
		if known.is(err) {
			return known.Advice
		}
	}
	return advice("予期しない不具合です。", "時刻を控えて、システムの担当者に知らせてください。",
		"Something unforeseen went wrong.", "Note the time and tell whoever looks after the system.")
}

func advice(whatJA, doJA, whatEN, doEN string) Advice {
	return Advice{What: mykey.Text{JA: whatJA, EN: whatEN}, Do: mykey.Text{JA: doJA, EN: doEN}}
}

// known is the advice for one kind of error.
type known struct {
	is func(error) bool
	Advice
}

// one is for an error that is found with errors.Is, any of several.
func one(a Advice, targets ...error) known {
	return known{func(err error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}, a}
}

// typed is for an error that is found with errors.As.
func typed[E error](a Advice) known {
	return known{func(err error) bool {
		var target E
		return errors.As(err, &target)
	}, a}
}

// noDirectory reports whether a directory could not be created. On Windows a file
// in its place reads as a path that is not there.
func noDirectory(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path) && path.Op == "mkdir" && !errors.Is(err, fs.ErrPermission)
}

// advices are looked through in order; what wraps comes before what is wrapped.
func advices() []known {
	return []known{
		// The card and its PIN.
		typed[*jpki.PINError](advice("暗証番号がロックされています。", "住民票のある市区町村の窓口で、初期化と再設定の手続きが必要です。",
			"The PIN is blocked.", "The holder has to have it reset at the municipality's counter.")),
		typed[*jpki.LastTryError](advice("暗証番号はあと1回でロックされるため、カードへ送りませんでした。", "ご本人が確かでなければ、市区町村の窓口を案内してください。",
			"One try is left, so the PIN was not sent to the card.", "Unless the holder is sure of it, the municipality's counter is the way.")),
		typed[*jpki.FormatError](advice("暗証番号の形が違います。カードへは送っていません。", "利用者証明用の暗証番号は数字4桁です。もう一度入力してください。",
			"That cannot be a PIN; nothing was sent to the card.", "The PIN for user authentication has four digits. Type it again.")),
		typed[*jpki.PINRequiredError](advice("先に暗証番号が必要です。", "スマートフォンの場合は、暗証番号を入力してからもう一度かざしてください。",
			"The PIN comes first.", "With a phone, type the PIN and hold it to the reader again.")),
		one(advice("暗証番号の照合の途中でカードとの通信が切れました。残り回数が減ったかもしれません。", "カードを置きなおし、残り回数を確かめてから入力してください。",
			"The link to the card broke while the PIN was checked; a try may be gone.", "Put the card back; the number of tries left is read first."),
			jpki.ErrOutcomeUnknown),
		one(advice("前の手順のカードと違うカードです。手続きを終了しました。", "ご本人のカードだけを置いて、はじめからやり直してください。何も登録していません。",
			"This is not the card that the procedure began with; it has been ended.", "Put the holder's own card in and begin again. Nothing was changed."),
			registry.ErrWrongCard),
		one(advice("カードが一度外れたため、手続きを続けられません。", "カードをセットしたまま、はじめからやり直してください。何も変更していません。",
			"The card was lifted for a moment, or is another one.", "Leave it there and begin again. Nothing was changed."),
			jpki.ErrCardChanged),
		one(advice("マイナンバーカードではありません。", "別のカードが重なっていないか確かめて、置きなおしてください。",
			"This is not an Individual Number Card.", "See that no other card lies with it, and put it in again."),
			jpki.ErrNotJPKI),
		one(advice("このカードには利用者証明用電子証明書がありません。", "市区町村の窓口で発行できます。",
			"The card holds no certificate for user authentication.", "The municipality's counter can issue one."),
			jpki.ErrNoCertificate),
		// Before the holder's: an expired root comes with jpki.ErrExpired too.
		one(advice("この端末のルート証明書は、今日の日付では有効ではありません。", "カードの問題ではありません。端末の日付を確認し、システム担当者に知らせてください。",
			"The root certificate of this terminal is not valid today.", "The card is not at fault. See whether the terminal's date is right, and tell the system's administrator."),
			jpki.ErrIssuerValidity),
		one(advice("カードの電子証明書は、この端末の日付では有効期限が切れています。", "端末の日付を確認してください。正しければ、市区町村の窓口での更新を案内してください。",
			"By this terminal's date the card's certificate has expired.", "See whether the date is right. If it is, the holder can renew the certificate at the municipality's counter."),
			registry.ErrExpired, jpki.ErrExpired),
		one(advice("カードの電子証明書は、この端末の日付ではまだ有効ではありません。", "端末の日付を確認し、システム担当者に知らせてください。",
			"By this terminal's date the card's certificate is not valid yet.", "See whether the date is right, and tell the system's administrator."),
			jpki.ErrNotYetValid),
		typed[*jpki.RevokedError](advice("カードの電子証明書は失効しています。", "市区町村の窓口を案内してください。",
			"The card's certificate has been revoked.", "The municipality's counter can help the holder.")),
		one(advice("電子証明書の失効の有無を確認できませんでした。", "通信を確かめて、少し待ってからやり直してください。",
			"It could not be found out whether the certificate was revoked.", "Check the network and try again in a while."),
			jpki.ErrRevocationUnknown),
		one(advice("カードの電子証明書を信頼できません。", "このカードでは手続きできません。テスト用のカードでないか、-roots のルート証明書が最新かを確かめてください。",
			"The card's certificate cannot be trusted.", "Do not go on with this card. Is it a test card? Are the root certificates of -roots the current ones?"),
			jpki.ErrIssuer, jpki.ErrIssuerSignature, jpki.ErrKeyUsage, jpki.ErrPolicy, jpki.ErrCA,
			jpki.ErrCriticalExtension, jpki.ErrAlgorithm, jpki.ErrConstraint, jpki.ErrSignature),
		one(advice("ルート証明書がないため、カードが本物か確かめられません。", "J-LISのルート証明書を入手し、-roots で指定してください(jpki.Verifierの説明に入手先があります)。",
			"Without root certificates a card cannot be told from a forged one.", "Get those of J-LIS and name the file with -roots (the documentation of jpki.NewVerifier says where they are)."),
			ErrNoRoots),
		one(advice("カードが離れました。", "カードをリーダーに置きなおし、終わるまで動かさないでください。途中までの手順はもう一度行えます。",
			"The card was taken away.", "Put it back and leave it until the end. The step can be made again."),
			apdu.ErrCardRemoved),

		// The reader.
		one(advice("このプログラムはカードリーダー(PC/SC)なしで作られています。", "macOSではcgoを有効にしてビルドしてください。",
			"This program was built without card readers (PC/SC).", "On macOS build it with cgo."),
			pcsc.ErrUnavailable),
		one(advice("カードリーダーを使う権限がありません。", "Linuxではpolkitの規則で、このプログラムの利用者に org.debian.pcsc-lite.access_pcsc と access_card を許可してください。",
			"This user may not use the card reader.", "On Linux allow org.debian.pcsc-lite.access_pcsc and access_card for it in a polkit rule."),
			pcsc.ErrDenied),
		one(advice("カードリーダーのサービスが動いていません。", "Linuxではpcscd、Windowsでは「Smart Card」サービスを起動してください。",
			"The service for card readers is not running.", "Start pcscd on Linux, the service \"Smart Card\" on Windows."),
			pcsc.ErrNoService, pcsc.ErrProtocol),
		one(advice("カードリーダーが見つかりません。", "リーダーのケーブルを確かめて、差しなおしてください。",
			"The card reader is not there.", "Check its cable and plug it in again."),
			pcsc.ErrUnknownReader),
		one(advice("ほかのプログラムがカードを使っています。", "ほかのプログラムを閉じてから、やり直してください。",
			"Another program is using the card.", "Close it and try again."),
			pcsc.ErrSharing, pcsc.ErrReset),
		one(advice("カードとの通信が途切れました。", "カードを置きなおしてください。くり返すときは、別のリーダーを使ってください。",
			"The exchange with the card broke.", "Put it back. If that happens again, use another reader."),
			apdu.ErrExchange),
		one(advice("カードが応答しません。", "裏表と向きを確かめて、置きなおしてください。",
			"The card does not answer.", "See that it lies the right way round, and put it in again."),
			pcsc.ErrUnresponsive, pcsc.ErrNoCard, pcsc.ErrGivenUp, pcsc.ErrClosed),

		// The holder's MyKey ID.
		one(advice("このカードにはマイキーIDがまだありません。", "先にマイキーIDを作成してください。",
			"The card has no MyKey ID yet.", "Make one first."),
			registry.ErrNotEnrolled),
		one(advice("このカードにはすでにマイキーIDがあります。", "新しく作る必要はありません。",
			"The card has a MyKey ID already.", "There is no need for another."),
			registry.ErrAlreadyEnrolled),
		one(advice("新しいカードが登録されているため、このカードは使えません。", "新しいカードをお持ちいただいてください。",
			"A newer card has taken the place of this one.", "Ask the holder for the newer card."),
			registry.ErrSuperseded),
		one(advice("マイキーIDが別の端末で変更または失効されました。", "はじめからやり直してください。",
			"The MyKey ID was changed or revoked at another terminal.", "Begin again."),
			registry.ErrIDReplaced, registry.ErrRetired),
		one(advice("同じ発行番号の電子証明書が二つ登録されています。", "カードをセットし直し、手続きを選んでください。電子証明書全体で本人を確認します。",
			"Two certificates have this serial number.", "Put the card back and choose a procedure: it reads the whole certificate."),
			registry.ErrTwoIssuers),
		one(advice("登録されている電子証明書は有効です。", "前のカードをセットするか、市区町村での更新を確認してください。",
			"The certificate that is registered is in force.", "Use that card, or see whether it has been renewed at the municipality."),
			registry.ErrInForce),
		one(advice("引き継ぎには担当者が2人必要です。", "もう1人の担当者に本人を確認してもらってください。",
			"Two members of staff have to look.", "Ask a second one to compare the holder with the card."),
			registry.ErrOneClerk),
		one(advice("この利用者またはカードの引き継ぎは受付済みです。", "待機期間が終わるまでお待ちください。",
			"A recovery is waiting for this holder or this card.", "Wait until its waiting period is over."),
			registry.ErrRecoveryOpen),
		one(advice("引き継ぎの受付が多すぎます。", "システム担当者に知らせてください。",
			"One member of staff has asked for too many recoveries.", "Tell the system's administrator."),
			registry.ErrRecoveryRate),
		one(advice("カードの氏名または生年月日が、会員の記録と一致しません。", "利用カード番号を確認してください。一致しない場合は引き継げません。",
			"Name or date of birth on the card are not those of the member.", "Check the member's number. If they differ, the ID is not handed over."),
			ErrMember),
		one(advice("引き継ぎの設定がされていません。", "システム担当者に知らせてください。",
			"Recoveries are not set up here.", "Tell the system's administrator."),
			registry.ErrNoNotice, ErrNoMembers),
		one(advice("二つのマイキーIDは統合済みで、元に戻せません。", "システム担当者に知らせてください。",
			"Two MyKey IDs were joined and cannot be taken apart.", "Tell the system's administrator."),
			registry.ErrJoined),
		one(advice("時間が過ぎたため、手続きを終了しました。", "カードを置いて、はじめからやり直してください。",
			"The procedure took too long and has been ended.", "Put the card in and begin again."),
			registry.ErrSessionOver),
		one(advice("このマイキーIDは使われています。", "別のIDを入力してください。3回重なると、以後は自動生成だけになります。",
			"This MyKey ID is taken.", "Type another. After three that are taken only automatic ones are left."),
			registry.ErrDuplicate),
		one(advice("自分で決めるマイキーIDは3回重なりました。", "自動生成をお使いください。",
			"Three IDs of the holder's own were taken.", "Use an automatic one."),
			registry.ErrAutomaticOnly),
		one(advice("登録する候補がありません。", "自動生成または重複チェックからやり直してください。",
			"There is no candidate to register.", "Draw one, or type one, again."),
			registry.ErrNoCandidate, registry.ErrNoFreeID, registry.ErrSameID),
		one(advice("この操作には暗証番号が必要です。", "利用者証明用の暗証番号を入力して、はじめからやり直してください。",
			"This needs the PIN.", "Begin again with the PIN for user authentication."),
			registry.ErrPINRequired),
		one(advice("この方には、この事業者の別の番号が登録されています。", "利用カードの番号を確かめ、入力の誤りなら前の画面に戻って上書きしてください。",
			"The holder has another number with this operator.", "Compare with the library or point card; if it was a slip, go back and overwrite it."),
			registry.ErrServiceExists),
		one(advice("この番号はほかの方に登録されています。", "利用カードの番号を確かめてください。",
			"This number belongs to another person.", "Compare with the library or point card."),
			registry.ErrCustomerTaken),
		one(advice("この番号の方は登録されていません。", "番号を確かめてください。",
			"Nobody is registered with this number.", "Check the number."),
			registry.ErrNotFound),
		one(advice("入力の形が違います。", "半角の英大文字と数字で、桁数を確かめて入力してください。",
			"This is not of the required form.", "Check the number of characters; letters and digits are half width."),
			mykey.ErrForm),
		one(advice("このデータベースは別の鍵ファイルで作られています。", "元の鍵ファイルをデータベースの隣に戻してください。新しい鍵では誰も見つかりません。",
			"This database was made with another key file.", "Put the first key file back beside the database. With new keys it finds nobody."),
			registry.ErrSerialForm),
		one(advice("合算台帳は別の鍵ファイルで作られています。", "元の鍵ファイルを戻してください。何も合算していません。",
			"The ledger of merge files was made with another key file.", "Put the first key file back. Nothing was merged."),
			ledger.ErrOtherKey),

		// Points and tickets.
		one(advice("ポイントが足りません。", "残高以下のポイント数を入力してください。",
			"There are not enough points.", "Enter no more than the balance."),
			ErrBalance),
		one(advice("この方には商店街の会員番号が登録されていません。", "先に商店街ポイントカードをサービスIDとして登録してください。",
			"The holder has no member number of the mall here.", "Register the mall's point card as a Service ID first."),
			ErrNoMember),
		one(advice("同じ受付番号で別の内容が処理されています。", "画面を新しくして、はじめからやり直してください。",
			"This number of the order was used for another one.", "Begin again with a fresh screen."),
			ErrRepeat, ticket.ErrConflict, ErrOrderKey),
		one(advice("このポイント券は使えません。", "券面の番号と有効期限を確かめてください。それでも使えないときは、発行元に問い合わせてください。",
			"This ticket cannot be taken.", "Compare the number and the last day on the paper. If they are right, ask the issuer."),
			ticket.ErrRefused),
		one(advice("ポイント数が範囲外です。", "1以上のポイント数を入力してください。",
			"The points are out of range.", "Enter at least 1."),
			ticket.ErrPoints),
		one(advice("有効期限が範囲外です。", "今日から30日以内の日を入力してください。",
			"The last day is out of range.", "Enter a day within 30 days from today."),
			ticket.ErrValidity),
		one(advice("期間の指定が正しくありません。", "開始日と終了日を確認してください。終了日は開始日より前にできません。",
			"The period is not one.", "Check its first and its last day; the last is not before the first."),
			ticket.ErrPeriod),
		one(advice("日付の形式が正しくありません。", "日付を確認して、入力し直してください。",
			"This is not a date.", "Check the date and enter it again."),
			ticket.ErrDate),
		one(advice("この団体の発券番号がいっぱいです。", "発行元のシステムの担当者に知らせてください。",
			"No ticket numbers are left for this association.", "Tell the issuer's system administrator."),
			ticket.ErrFull),
		one(advice("このポイント券は、その状態では操作できません。", "使用済み、取消し、期限切れの券は再発行できません。",
			"The ticket's state does not allow it.", "A ticket that was used, cancelled or has lapsed is not printed again."),
			ticket.ErrState, ticket.ErrNotFound, paper.ErrTicket),
		typed[*paper.TextError](advice("券面に印字できない文字があります。", "発行元とポイント名の設定を直してください。",
			"A text cannot be printed on the ticket.", "Change the issuer's or the points' name in the settings.")),

		// Merge files.
		one(advice("合算ポイントファイルが正しくありません。", "何も合算していません。ファイルは隔離しました。送信元に再送を依頼してください。",
			"The merge file is not valid.", "Nothing was merged and the file was put aside. Ask the sender for another."),
			mergefile.ErrInvalid),
		typed[*ledger.ConflictError](advice("合算ポイントファイルの取引済番号が、前に合算した別の内容と重なっています。", "何も合算していません。ファイルは隔離しました。すぐに送信元に確認してください。",
			"The merge file has a number that was merged before with other content.", "Nothing was merged and the file was put aside. Ask the sender at once.")),
		typed[*ledger.TooOldError](advice("合算ポイントファイルが古すぎて、合算済みかどうかわかりません。", "何も合算していません。ファイルは隔離しました。送信元に確認してください。",
			"The merge file is too old to tell whether it was merged.", "Nothing was merged and the file was put aside. Ask the sender.")),
		one(advice("合算ポイントファイルを3件続けて確認できず、受取を止めました。", "鍵または特定の文字列が違う可能性があります。システム担当者に知らせてください。",
			"Three merge files could not be verified, and receiving has stopped.", "A key or the secret is more likely wrong than all of them. Tell the system administrator."),
			inbox.ErrUnverified),
		one(advice("ディスクの不具合のため、合算を止めました。", "ディスクを確かめてから、プログラムを起動しなおしてください。",
			"Merging has stopped because the disk failed.", "Check the disk, then start the program again."),
			ledger.ErrStopped),

		// The shop's own files.
		one(advice("鍵ファイルをほかの利用者が読めます。", "chmod 600 で本人だけが読めるようにしてください。読まれた恐れがあれば担当者に知らせてください。",
			"Other users of this machine can read the key file.", "Give it to its owner alone (chmod 600), and tell the administrator if it may have been read."),
			ErrKeyFileOpen),
		one(advice("鍵ファイルが壊れています。", "控えから戻してください。作り直すと登録済みの方が見つからなくなります。",
			"The key file is damaged.", "Put the copy back. With a new one nobody is found any more."),
			ErrKeyFile),
		one(advice("ファイルやフォルダーを読み書きする権限がありません。", "書き込めるフォルダーを -data で指定してください。",
			"There is no permission to read or write a file or folder.", "Name a folder that can be written with -data."),
			fs.ErrPermission),
		{noDirectory, advice("ファイルまたはフォルダーを使えません。", "同じ名前の別のものがないか、ディスクに空きがあるかを確かめるか、-data で別のフォルダーを指定してください。",
			"A file or folder cannot be used.", "See whether something else has its name, and whether the disk has room; or name another folder with -data.")},
		one(advice("ファイルまたはフォルダーが見つかりません。", "名前を確かめてください。",
			"A file or folder is not there.", "Check its name."),
			fs.ErrNotExist),
		one(advice("時間内に応答がありませんでした。", "カード、リーダー、通信を確かめて、同じ操作をもう一度行ってください。",
			"No answer came in time.", "Check card, reader and network, and do the same again."),
			context.DeadlineExceeded),
		one(advice("中断しました。", "もう一度始めると、続きから行えます。",
			"It was interrupted.", "Start again: it goes on from there."),
			context.Canceled),
		typed[*fs.PathError](advice("ファイルまたはフォルダーを使えません。", "同じ名前の別のものがないか、ディスクに空きがあるかを確かめるか、-data で別のフォルダーを指定してください。",
			"A file or folder cannot be used.", "See whether something else has its name, and whether the disk has room; or name another folder with -data.")),
		typed[*net.OpError](advice("通信できません。", "ネットワークとデータベースのサーバーを確かめて、同じ操作をもう一度行ってください。",
			"There is no connection.", "Check the network and the database server, and do the same again.")),
		typed[*apdu.StatusError](advice("カードが予期しない応答をしました。", "カードを置きなおして、もう一度行ってください。",
			"The card answered in an unexpected way.", "Put it in again and repeat the step.")),
		typed[*jpki.StepError](advice("カードを読めませんでした。", "カードを置きなおして、もう一度行ってください。",
			"The card could not be read.", "Put it in again and repeat the step.")),
	}
}
