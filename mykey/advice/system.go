package advice

import (
	"context"
	"errors"
	"io/fs"
	"net"

	"github.com/mynakit/mynakit/mergefile/ledger"
)

// system is for files, networks and time, and for what carries a cause that no
// other entry knows.
func system() []Entry {
	return append([]Entry{
		For(say("file_permission", Later,
			"ファイルやフォルダーを読み書きする権限がありません。", "権限を確認するか、書き込めるフォルダーを指定してください。",
			"There is no permission to read or write a file or folder.", "Check the permissions, or name a folder that can be written."),
			fs.ErrPermission),
		{noDirectory, badPath()},
		For(say("file_missing", Change,
			"ファイルまたはフォルダーが見つかりません。", "指定した名前を確認してください。",
			"A file or folder is not there.", "Check its name."),
			fs.ErrNotExist),
		For(say("timeout", Same,
			"時間内に応答がありませんでした。", "カード、リーダー、通信を確認して、同じ操作をもう一度行ってください。",
			"No answer came in time.", "Check card, reader and network, and do the same again."),
			context.DeadlineExceeded),
		For(say("interrupted", Same,
			"処理を中断しました。", "もう一度実行すると、続きから再開します。",
			"It was interrupted.", "Start again: it goes on from there."),
			context.Canceled),
		ForType[*fs.PathError](badPath()),
		ForType[*net.OpError](say("network", Same,
			"サーバーに接続できません。", "ネットワークとデータベースのサーバーを確認して、同じ操作をもう一度行ってください。",
			"There is no connection.", "Check the network and the database server, and do the same again.")),
		ForType[*ledger.ApplyError](say("apply", Later,
			"合算ポイントを会員の残高に反映できませんでした。", "合算は行っていません。システム担当者に連絡してください。",
			"The points could not be credited to the member.", "Nothing was merged. Tell the system administrator.")),
	}, lastOfCard()...)
}

func badPath() Advice {
	return say("file", Later,
		"ファイルまたはフォルダーを使えません。", "同じ名前のファイルがないか、空き容量があるかを確認してください。",
		"A file or folder cannot be used.", "See whether something else has its name, and whether the disk has room.")
}

// noDirectory reports whether a directory could not be created. On Windows a file
// in its place reads as a path that is not there.
func noDirectory(err error) bool {
	path, ok := errors.AsType[*fs.PathError](err)
	return ok && path.Op == "mkdir" && !errors.Is(err, fs.ErrPermission)
}
