package advice

import (
	"errors"

	"github.com/mynakit/mynakit/mergefile/ledger"
	"github.com/mynakit/mynakit/mergefile/outbox"
	"github.com/mynakit/mynakit/mykey/grant"
	"github.com/mynakit/mynakit/mykey/point"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/mynakit/mynakit/ticket"
)

// stores is for what all keepers say alike. Their errors are one value each
// under several names.
func stores() []Entry {
	return []Entry{
		ForType[*registry.SchemaError](say("schema_newer", Never,
			"データベースは、新しいバージョンのプログラムで作成されています。データは変更していません。", "このプログラムを更新してください。",
			"The database belongs to a newer version of this program and was left as it is.", "Update this program.")),
		ForType[*registry.LostError](lost()),
		ForType[*registry.UnresolvedError](lost()),
		For(say("outcome_unknown", Same,
			"登録の途中でデータベースとの通信が切れ、結果を確認できませんでした。", "同じ操作をもう一度行ってください。登録済みの場合も、二重に登録されることはありません。",
			"The link to the database broke at the last moment; the outcome is unknown.", "Do the same again. If it was done, it is not done twice."),
			registry.ErrOutcomeUnknown),
		For(busy(), registry.ErrBusy),
		For(readOnly(), registry.ErrReadOnly),
		For(program(), registry.ErrNotDurable, ledger.ErrTwoSchemas, ledger.ErrEnded),
		For(say("no_loss", Never,
			"この中断の記録はありません。", "一覧を確認してください。",
			"There is no such lost transaction.", "Look at the list."),
			registry.ErrNoLoss, point.ErrNoLoss, grant.ErrNoLoss, ticket.ErrNoLoss, ledger.ErrNoLoss, outbox.ErrNoLoss),
	}
}

func lost() Advice {
	return say("transaction_lost", Never,
		"処理が途中で中断された記録があります。", "確認が済むまで処理できません。システム担当者に連絡してください。",
		"A transaction was lost in the middle and is written down.", "Nothing goes on until it has been looked into. Tell the system administrator.")
}

// Drivers say what went wrong by a number of the engine's. These are found by
// their methods, so that no driver is linked.
type (
	sqliteError interface { // modernc.org/sqlite
		error
		Code() int
	}
	postgresError interface { // github.com/jackc/pgx
		error
		SQLState() string
	}
)

// The primary result codes of SQLite.
const (
	sqlitePerm     = 3
	sqliteBusy     = 5
	sqliteLocked   = 6
	sqliteReadOnly = 8
	sqliteIO       = 10
	sqliteCorrupt  = 11
	sqliteFull     = 13
	sqliteCantOpen = 14
	sqliteNotADB   = 26
)

// engine knows the errors of the two engines.
func engine(err error) (Advice, bool) {
	if lite, ok := errors.AsType[sqliteError](err); ok {
		switch lite.Code() & 0xff { // the rest of the number is a detail
		case sqliteBusy, sqliteLocked:
			return busy(), true
		case sqliteFull:
			return full(), true
		case sqlitePerm, sqliteReadOnly, sqliteCantOpen:
			return say("database_file", Later,
				"データベースのファイルを開けないか、書き込めません。", "フォルダーの有無と権限を確認するか、別のフォルダーを指定してください。",
				"The database file cannot be opened or written.", "Check that the folder is there and may be written, or name another."), true
		case sqliteCorrupt, sqliteNotADB:
			return say("database_damaged", Never,
				"データベースのファイルが壊れているか、データベースではありません。", "ファイルはそのままにして、バックアップから復元してください。",
				"The database file is damaged, or is none.", "Leave it alone and put the last copy back."), true
		case sqliteIO:
			return say("disk", Later,
				"ディスクの読み書きに失敗しました。", "処理は取り消されています。ディスクを確認してください。",
				"The disk failed to read or write.", "Check the disk. What was under way has been undone."), true
		}
	}
	if pg, ok := errors.AsType[postgresError](err); ok {
		switch code := pg.SQLState(); {
		case code == "53100": // disk_full
			return full(), true
		case code == "40001", code == "40P01", code == "55P03": // serialization, deadlock, lock
			return busy(), true
		case code == "25006": // read_only_sql_transaction
			return readOnly(), true
		case len(code) == 5 && (code[:2] == "28" || code[:2] == "3D" || code[:2] == "42"):
			return say("database_refused", Never,
				"データベースに接続できないか、権限がありません。", "データベースのユーザー名、データベース名、権限を確認してください。",
				"The database does not let us in, or not do this.", "Check the user, the database and the permissions."), true
		case len(code) == 5 && (code[:2] == "08" || code[:2] == "57" || code[:2] == "53"):
			return say("database_away", Same,
				"データベースのサーバーが応答しません。", "サーバーを確認して、同じ操作をもう一度行ってください。",
				"The database server does not answer.", "Check the server and do the same again."), true
		}
	}
	return Advice{}, false
}

func busy() Advice {
	return say("database_busy", Same,
		"データベースを、ほかのプログラムが使用中です。", "処理は取り消されています。ほかのプログラムを確認して、同じ操作をもう一度行ってください。",
		"Another program holds the database.", "Nothing was done. See what that program is, and do the same again.")
}

func full() Advice {
	return say("disk_full", Later,
		"ディスクがいっぱいで、データベースに書き込めません。", "処理は取り消されています。空き容量を増やしてから、同じ操作をもう一度行ってください。",
		"The disk is full and the database cannot grow.", "Nothing was done. Make room and do the same again.")
}

func readOnly() Advice {
	return say("database_read_only", Never,
		"データベースは読み取り専用です。", "書き込めるサーバーまたはファイルを指定してください。",
		"The database is read-only.", "Name a server or a file that can be written.")
}
