package advice

import (
	"errors"

	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/ticket"
	"github.com/mynakit/mynakit/ticket/paper"
)

func tickets() []Entry {
	return []Entry{
		For(reused(), ticket.ErrConflict),
		For(say("ticket_refused", Never,
			"このポイント券は利用できません。", "券面の発券番号と有効期限を確認してください。それでも利用できないときは、発行元に問い合わせてください。",
			"This ticket cannot be taken.", "Compare the number and the last day on the paper. If they are right, ask the issuer."),
			ticket.ErrRefused, ticket.ErrForged),
		For(say("ticket_number", Change,
			"発券番号またはQRコードの形式が正しくありません。", "券面を確認して、入力し直してください。",
			"This is not a ticket's number or QR code.", "Compare with the paper, and enter it again."),
			ticket.ErrNumber, ticket.ErrCheckDigit, ticket.ErrQR),
		For(badPoints(), ticket.ErrPoints),
		For(say("validity", Change,
			"有効期限が正しくありません。", "今日から30日以内の日を入力してください。",
			"The last day is out of range.", "Enter a day within 30 days from today."),
			ticket.ErrValidity),
		For(badPeriod(), ticket.ErrPeriod, point.ErrPeriod),
		For(badDate(), ticket.ErrDate),
		For(say("tickets_full", Never,
			"発券番号の空きがないため、発行できません。", "システム担当者に連絡してください。",
			"No ticket numbers are left for this association.", "Tell the issuer's system administrator."),
			ticket.ErrFull),
		For(say("ticket_paid", Never,
			"支払い済みのポイント券は、返金の手続きが必要です。", "システム担当者に連絡してください。",
			"A ticket that was paid for needs a refund.", "Tell the system administrator."),
			ticket.ErrPaid),
		For(say("ticket_state", Never,
			"このポイント券は再発行できません。", "消込済み・取消済み・失効した券は再発行の対象外です。",
			"The ticket's state does not allow it.", "A ticket that was used, cancelled or has lapsed is not printed again."),
			ticket.ErrState, ticket.ErrNotFound, paper.ErrTicket),
		For(say("clock", Later,
			"端末の時計が、ポイント券の発行より前になっています。", "端末の日付を確認し、システム担当者に連絡してください。",
			"The clock is before the ticket's issue.", "See whether the date is right, and tell the system administrator."),
			ticket.ErrClock),
		For(say("terminal_kind", Never,
			"この端末では、この操作はできません。", "発行または消込の端末を確認してください。",
			"This terminal is not for that.", "Use the terminal that issues or redeems."),
			ticket.ErrKind),
		For(say("spreadsheet", Change,
			"表計算ソフトで保存され、内容が変わったファイルです。", "元のファイルをダウンロードし直してください。",
			"A spreadsheet has changed the file.", "Download the file again."),
			ticket.ErrSpreadsheet),
		For(badDetails(), ticket.ErrCSV, point.ErrCSV, ticket.ErrTwice, point.ErrTwice, point.ErrOrder),
		ForType[*ticket.CSVError](badDetails()),
		ForType[*point.CSVError](badDetails()),
		For(say("text_unprintable", Never,
			"券面に印字できない文字があります。", "発行元とポイント名の設定を変更してください。",
			"A text cannot be printed on the ticket.", "Change the issuer's or the points' name in the settings."),
			paper.ErrTooLong, paper.ErrCharacter, ticket.ErrUnmappable),
		ForType[*paper.TextError](say("text_unprintable", Never,
			"券面に印字できない文字があります。", "発行元とポイント名の設定を変更してください。",
			"A text cannot be printed on the ticket.", "Change the issuer's or the points' name in the settings.")),
		For(program(), ticket.ErrScope, ticket.ErrTerminal, ticket.ErrAccount, ticket.ErrTyped, ticket.ErrKey, ticket.ErrBatch,
			ticket.ErrPolicy, ticket.ErrSecret, ticket.ErrSum, point.ErrSum, paper.ErrQR, paper.ErrReceipt),
	}
}

// orders is for an order of tickets whose cause, which may be anything that its
// payment returned, is in no list before.
func orders() []Entry {
	return []Entry{{func(err error) bool {
		_, ok := errors.AsType[*ticket.OrderError](err)
		_, database := engine(err)
		return ok && !database
	}, program()}}
}

func badDetails() Advice {
	return say("details_file", Change,
		"ポイント券の明細表ではないか、内容に誤りがあります。", "発行元から届いたファイルを確認してください。",
		"This is not a settlement details file, or it has faults.", "Compare it with the file that the issuer sent.")
}
