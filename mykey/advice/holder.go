package advice

import (
	"errors"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
)

// holder is for MyKey IDs and Service IDs.
func holder() []Entry {
	return []Entry{
		For(say("not_enrolled", Never,
			"このカードには、マイキーIDがまだありません。", "先に、マイキーIDを作成・登録してください。",
			"The card has no MyKey ID yet.", "Make one first."),
			registry.ErrNotEnrolled),
		For(say("already_enrolled", Never,
			"このカードには、すでにマイキーIDがあります。", "新しく作成する必要はありません。",
			"The card has a MyKey ID already.", "There is no need for another."),
			registry.ErrAlreadyEnrolled),
		For(say("card_superseded", Never,
			"新しいカードが登録されているため、このカードは利用できません。", "新しいカードをお持ちいただくよう、ご案内ください。",
			"A newer card has taken the place of this one.", "Ask the holder for the newer card."),
			registry.ErrSuperseded),
		For(say("card_taken", Never,
			"このカードは、別のマイキーIDに登録されています。", "ご本人のカードかどうかを確認してください。",
			"The card is bound to another MyKey ID.", "See whether it is the holder's own card."),
			registry.ErrCertificateTaken, registry.ErrSignTaken),
		For(say("wrong_device", Never,
			"カードとスマートフォンを入れ替える登録はできません。", "前と同じ種類のもので手続きするか、追加で登録してください。",
			"A card does not take the place of a phone, nor a phone that of a card.", "Use the same kind as before, or add it beside the other."),
			registry.ErrWrongDevice),
		For(say("id_replaced", Card,
			"マイキーIDが、別の端末で変更または失効されました。", "最初からやり直してください。",
			"The MyKey ID was changed or revoked at another terminal.", "Begin again."),
			registry.ErrIDReplaced, registry.ErrRetired),
		For(say("two_issuers", Card,
			"同じ発行番号の電子証明書が、2つ登録されています。", "カードをセットし直し、手続きを選んでください。電子証明書全体で本人を確認します。",
			"Two certificates have this serial number.", "Put the card back and choose a procedure: it reads the whole certificate."),
			registry.ErrTwoIssuers),
		For(say("certificate_in_force", Never,
			"登録されている電子証明書は有効です。", "前のカードをセットするか、市区町村での更新を確認してください。",
			"The certificate that is registered is in force.", "Use that card, or see whether it has been renewed at the municipality."),
			registry.ErrInForce),
		For(say("one_clerk", Change,
			"引き継ぎには担当者が2人必要です。", "もう1人の担当者が、ご本人を確認してください。",
			"Two members of staff have to look.", "Ask a second one to compare the holder with the card."),
			registry.ErrOneClerk),
		For(say("recovery_open", Later,
			"この利用者またはカードの引き継ぎは受付済みです。", "待機期間が終わるまでお待ちください。",
			"A recovery is waiting for this holder or this card.", "Wait until its waiting period is over."),
			registry.ErrRecoveryOpen),
		For(say("recovery_rate", Later,
			"引き継ぎの受付が多すぎます。", "システム担当者に連絡してください。",
			"One member of staff has asked for too many recoveries.", "Tell the system administrator."),
			registry.ErrRecoveryRate),
		For(say("recovery_off", Never,
			"引き継ぎの設定がされていません。", "システム担当者に連絡してください。",
			"Recoveries are not set up here.", "Tell the system administrator."),
			registry.ErrNoNotice),
		For(say("joined", Never,
			"このマイキーIDは失効されたか、統合されているため、引き継ぎを取り消せません。", "何も変更していません。システム担当者に連絡してください。",
			"The MyKey ID was revoked or joined since, so that the recovery cannot be undone.", "Nothing was changed. Tell the system administrator."),
			registry.ErrJoined),
		For(say("session_over", Card,
			"制限時間を過ぎたため、手続きを中止しました。", "カードをセットして、最初からやり直してください。",
			"The procedure took too long and has been ended.", "Put the card in and begin again."),
			registry.ErrSessionOver),
		For(say("id_taken", Change,
			"このマイキーIDは、すでに使われています。", "別のマイキーIDを入力してください。3回重複すると、自動生成だけになります。",
			"This MyKey ID is taken.", "Type another. After three that are taken only automatic ones are left."),
			registry.ErrDuplicate),
		For(say("automatic_only", Change,
			"希望したマイキーIDが3回重複しました。", "自動生成を使ってください。",
			"Three IDs of the holder's own were taken.", "Use an automatic one."),
			registry.ErrAutomaticOnly),
		For(say("no_candidate", Change,
			"登録できるマイキーID候補がありません。", "自動生成または重複チェックからやり直してください。",
			"There is no candidate to register.", "Draw one, or type one, again."),
			registry.ErrNoCandidate, registry.ErrNoFreeID, registry.ErrSameID),
		For(say("proof_needed", Holder,
			"この操作には暗証番号が必要です。", "利用者証明用の暗証番号を入力して、最初からやり直してください。",
			"This needs the PIN.", "Begin again with the PIN for user authentication."),
			registry.ErrPINRequired),
		For(say("service_exists", Change,
			"この利用者には、同じID付与事業者の別の利用カード番号が登録されています。", "利用カードを確認し、登録し直すときは、前の画面に戻って上書きしてください。",
			"The holder has another number with this operator.", "Compare with the library or point card; if it was a slip, go back and overwrite it."),
			registry.ErrServiceExists),
		For(say("customer_taken", Change,
			"この利用カード番号は、別の利用者に登録されています。", "利用カードの番号を確認してください。",
			"This number belongs to another person.", "Compare with the library or point card."),
			registry.ErrCustomerTaken, registry.ErrPPIDTaken, registry.ErrPaymentTaken),
		For(say("already_applied", Never,
			"決済サービスは、すでに申し込まれています。", "申し込みの変更はできません。",
			"The holder has chosen a payment service already.", "It cannot be changed."),
			registry.ErrAlreadyApplied),
		For(say("consent_missing", Change,
			"署名用電子証明書を登録するための、説明と同意の記録がありません。", "説明を表示し、ご本人の同意を得てから、やり直してください。",
			"The explanation and the holder's consent are not recorded.", "Show the explanation, ask for consent, and do it again."),
			registry.ErrConsent),
		For(say("not_found", Change,
			"この番号は登録されていません。", "番号を確認してください。",
			"Nobody is registered with this number.", "Check the number."),
			registry.ErrNotFound),
		For(say("municipality_unknown", Change,
			"この全国地方公共団体コードは、登録されている表にありません。", "コードを確認してください。正しいときは、システム担当者に連絡してください。",
			"This municipality code is not in the table.", "Check the code. If it is right, tell the system administrator."),
			mykey.ErrUnknownMunicipality),
		For(say("operator_unknown", Change,
			"このID付与事業者は、登録されている表にありません。", "一覧から選び直してください。見つからないときは、システム担当者に連絡してください。",
			"This ID-issuing operator is not in the table.", "Choose one from the list. If it is not there, tell the system administrator."),
			mykey.ErrUnknownOperator),
		For(say("terminal_refused", Change,
			"この端末は利用できません。", "端末IDと端末パスワードを確認してください。利用できないときは、システム担当者に連絡してください。",
			"This terminal is refused.", "Check its ID and password. If it stays refused, tell the system administrator."),
			registry.ErrTerminal),
		For(say("terminal_used", Never,
			"この端末IDは、すでに登録されているか、利用を停止されています。", "システム担当者に連絡し、新しい端末IDの発行を受けてください。",
			"The terminal has been registered or stopped.", "Ask the system administrator for another terminal ID."),
			registry.ErrTerminalUsed),
		For(say("office_terminal", Never,
			"ポイント管理用業務用端末は、自治体に1台だけ発行できます。", "前の端末の利用を停止するか、モバイル端末として発行してください。",
			"A municipality has one PC for grants.", "Stop or replace the one that was issued, or issue mobile devices."),
			registry.ErrOfficeTerminal),
		For(say("issue_reused", Change,
			"この受付番号は、別の端末の発行に使われています。", "新しい受付番号で発行してください。",
			"The key was used before to issue other terminals.", "Issue these under another key."),
			registry.ErrIssueReused),
		{isForm("date"), badDate()},
		{isForm("period"), badPeriod()},
		For(badForm(), mykey.ErrForm),
		For(say("other_key", Never,
			"このデータベースは、別の鍵ファイルで作成されています。", "元の鍵ファイルを、同じフォルダーに戻してください。別の鍵ファイルでは、登録済みの利用者を照会できません。",
			"This database was made with another key file.", "Put the first key file back beside the database. With new keys it finds nobody."),
			registry.ErrSerialForm),
		For(say("not_an_export", Change,
			"利用者テーブルの書き出しファイルではないか、途中で切れています。", "1件も登録していません。ファイルを確認してください。",
			"This is not an export of a user table, or it is cut off.", "Nothing was taken over. Check the file."),
			registry.ErrExport),
		For(say("revocation_list", Change,
			"この失効リストは、認証局が発行したものではありません。", "失効リストを取得し直してください。",
			"The authority has not signed this revocation list.", "Get the list again."),
			registry.ErrRevocationList),
		ForType[*registry.ImportError](say("import", Change,
			"取り込むデータに誤りがあります。", "1件も登録していません。データを確認してください。",
			"A record of the import is wrong.", "Nothing was taken over. Check the data.")),
	}
}

func badForm() Advice {
	return say("form", Change,
		"入力内容の形式が正しくありません。", "半角の英大文字と数字で、桁数を確認して入力してください。",
		"This is not of the required form.", "Check the number of characters; letters and digits are half width.")
}

// isForm returns a function that reports whether an error is about the form of a
// field.
func isForm(field string) func(error) bool {
	return func(err error) bool {
		fe, ok := errors.AsType[*mykey.FormError](err)
		return ok && fe.Field == field
	}
}

func badDate() Advice {
	return say("date", Change,
		"日付が正しくありません。", "年月日を確認して入力してください。",
		"This is not a date.", "Check the date and enter it again.")
}

func badPeriod() Advice {
	return say("period", Change,
		"集計する期間が正しくありません。", "開始日が終了日以前になるように入力してください。",
		"The period is not one.", "Check its first and its last day; the last is not before the first.")
}
