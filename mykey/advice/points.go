package advice

import (
	"github.com/mynakit/mynakit/mykey/grant"
	"github.com/mynakit/mynakit/mykey/point"
)

func points() []Entry {
	return []Entry{
		For(say("balance_short", Change,
			"ポイントが足りません。", "残高以下のポイント数を入力してください。",
			"There are not enough points.", "Enter no more than the balance."),
			point.ErrShort),
		For(badPoints(), point.ErrPoints),
		For(reused(), point.ErrRequestReused),
		For(say("request_void", Change,
			"この操作は、先に取り消されています。", "ポイントは変わっていません。最初からやり直してください。",
			"This request was cancelled before it came.", "No point was moved. Begin again."),
			point.ErrRequestVoid),
		For(say("in_progress", Same,
			"同じ操作を処理しています。", "しばらくしてから、結果を確認してください。",
			"This request is being carried out.", "Ask for its answer in a moment."),
			point.ErrInFlight),
		For(say("request_unknown", Same,
			"この操作の記録がありません。", "これから届くこともあります。やめるときは、取り消してください。",
			"There is no such request.", "It may still arrive. Only a cancel is final."),
			point.ErrNoRequest),
		For(say("no_account", Never,
			"このマイキーIDには、ポイントの口座がありません。", "ポイントが付与されているかどうかを確認してください。",
			"There are no points under this MyKey ID.", "See whether any were granted."),
			point.ErrNoHolder),
		For(say("account_taken", Never,
			"新しいマイキーIDにも、ポイントの口座があります。", "システム担当者に連絡してください。",
			"The new MyKey ID has points of its own.", "Tell the system administrator."),
			point.ErrIDTaken),
		For(say("account_stopped", Never,
			"この利用者のポイントは、利用を停止しています。", "システム担当者に連絡してください。",
			"The holder's points are stopped.", "Tell the system administrator."),
			point.ErrStopped),
		For(say("programme_closed", Change,
			"このポイントは、利用できる期間ではありません。", "別のポイントを選んでください。",
			"These points are closed or outside their period.", "Choose other points."),
			point.ErrClosed),
		For(say("points_kind", Change,
			"このポイントでは、この操作はできません。", "別のポイントを選んでください。",
			"That is not possible with these points.", "Choose other points."),
			point.ErrKind, point.ErrBaseKind),
		For(say("no_programme", Change,
			"指定したポイントの種類がありません。", "ポイントの種類を確認してください。",
			"There are no points of this name.", "Check which points are meant."),
			point.ErrNoProgramme, grant.ErrNoProgramme),
		For(say("not_undoable", Never,
			"この操作は取り消せません。", "内容を確認し、返金などの方法をシステム担当者に相談してください。",
			"This cannot be undone.", "Look at what was done, and ask the system administrator how to set it right."),
			point.ErrNotUndoable),
		For(say("refund", Change,
			"返すポイント数が、利用したポイント数の残りを超えています。", "残りのポイント数を確認して入力してください。",
			"That is more than is left of the use.", "Check how many points can still be given back."),
			point.ErrRefund),
		For(say("proof_needed", Holder,
			"このポイント数の利用には、暗証番号が必要です。", "ご本人が利用者証明用の暗証番号を入力してください。",
			"The holder has to prove himself for this sum.", "Let the holder type the PIN for user authentication."),
			point.ErrProof),
		For(say("claimed", Change,
			"このクーポンまたは参照番号は、すでに使われています。", "番号を確認してください。",
			"This coupon or reference was taken before.", "Check its number."),
			point.ErrClaimed),
		For(say("clock", Later,
			"端末の時計が、最後の処理より大きく進んでいます。", "端末の日付を確認し、システム担当者に連絡してください。",
			"The clock is far past the last operation.", "See whether the date is right, and tell the system administrator."),
			point.ErrClock),
		For(say("balance_full", Never,
			"ポイント残高が上限を超えます。", "システム担当者に連絡してください。",
			"The balance would be too great.", "Tell the system administrator."),
			point.ErrOverflow),
		For(say("programme_changed", Never,
			"ポイントの種類と自治体は変更できません。", "別の種類として登録してください。",
			"The kind and the municipality of points do not change.", "Set up other points instead."),
			point.ErrProgrammeChanged),
		For(say("same_holder", Never,
			"2つのマイキーIDは、同じ利用者のものです。", "統合の必要はありません。",
			"Both MyKey IDs are of one holder.", "There is nothing to join."),
			point.ErrSameHolder),
		For(program(), point.ErrRequest),
	}
}

func badPoints() Advice {
	return say("points_range", Change,
		"ポイント数が正しくありません。", "1以上の数を入力してください。",
		"The points are out of range.", "Enter at least 1.")
}

func reused() Advice {
	return say("key_reused", Change,
		"同じ操作が、別の内容ですでに処理されています。", "最初の画面に戻って、やり直してください。",
		"The number of this operation was used for another one.", "Go back to the first screen and begin again.")
}

func grants() []Entry {
	return []Entry{
		For(say("passphrase", Change,
			"この端末のパスフレーズと一致しません。", "入力し直してください。",
			"This is not the passphrase of the device.", "Type it again."),
			grant.ErrPassphrase),
		For(say("taken", Never,
			"この利用者は受付済みです。", "もう一度受け付ける必要はありません。",
			"This person has been taken already.", "There is no need to do it again."),
			grant.ErrRepeat),
		For(say("device_restored", Same,
			"この端末は、バックアップから復元されています。", "端末を登録し直してから、もう一度送信してください。",
			"The device was restored from a backup.", "Register it again, and send once more."),
			grant.ErrConflict),
		For(say("no_row", Change,
			"名簿にこの行がありません。", "名簿を確認してください。",
			"The roster has no such row.", "Check the roster."),
			grant.ErrNoRow),
		For(say("row_taken", Change,
			"このマイキーIDは、名簿の別の行に登録されています。", "名簿を確認してください。",
			"The MyKey ID is in another row of the roster.", "Check the roster."),
			grant.ErrIDTaken),
		ForType[*grant.ImportError](badRoster()),
		For(say("roster", Change,
			"名簿のファイルの形式が正しくありません。", "1件も登録していません。列の並びとポイントの種類を確認してください。",
			"This is not a roster of the right form.", "Nothing was taken over. Check the columns and the programme."),
			grant.ErrColumns, grant.ErrOther),
		ForType[*grant.RowError](badRoster()),
		For(say("device_unknown", Never,
			"この端末は登録されていないか、停止されています。", "システム担当者に連絡してください。",
			"The device is not registered, or was stopped.", "Tell the system administrator."),
			grant.ErrEpoch, grant.ErrStopped),
		For(say("no_receipt", Never,
			"この受付は届いていないか、結果が確定しています。", "一覧を確認してください。",
			"There is no such tap, or its verdict is final.", "Look at the list."),
			grant.ErrNoReceipt),
		For(program(), grant.ErrConfig, grant.ErrProgramme, grant.ErrChunk),
	}
}

func badRoster() Advice {
	return say("roster", Change,
		"名簿に誤りがあります。", "1件も登録していません。示された行を直してください。",
		"The roster has faults.", "Nothing was taken over. Mend the rows that are named.")
}
