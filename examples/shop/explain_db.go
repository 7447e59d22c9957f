package shop

import (
	"errors"

	"github.com/mynakit/mynakit/mykey/registry"
)

// Drivers say what went wrong by a number of the engine's. These are found by
// their methods, so that the shop imports no driver.
type (
	sqliteError   interface{ Code() int }        // modernc.org/sqlite
	postgresError interface{ SQLState() string } // github.com/jackc/pgx
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

// explainDatabase knows the errors of the two engines and of the stores.
func explainDatabase(err error) (Advice, bool) {
	var (
		newer *registry.SchemaError // the tickets' too: it is one type
		lite  sqliteError
		pg    postgresError
	)
	switch {
	case errors.As(err, &newer):
		return advice("データベースは、より新しい版のプログラムのものです。何も変えていません。", "このプログラムを新しい版にしてください。",
			"The database belongs to a newer version of this program and was left as it is.", "Update this program."), true
	case errors.Is(err, registry.ErrOutcomeUnknown):
		return advice("登録の途中でデータベースとの通信が切れ、結果がわかりません。", "同じ操作をもう一度行ってください。済んでいれば二重にはなりません。",
			"The link to the database broke at the last moment; the outcome is unknown.", "Do the same again. If it was done, it is not done twice."), true
	case errors.Is(err, registry.ErrBusy):
		return busy(), true
	case errors.As(err, &lite):
		switch lite.Code() & 0xff { // the rest of the number is a detail
		case sqliteBusy, sqliteLocked:
			return busy(), true
		case sqliteFull:
			return full(), true
		case sqlitePerm, sqliteReadOnly, sqliteCantOpen:
			return advice("データベースのファイルを開けないか、書き込めません。", "フォルダーの有無と権限を確かめるか、-data で別のフォルダーを指定してください。",
				"The database file cannot be opened or written.", "Check that the folder is there and may be written, or name another with -data."), true
		case sqliteCorrupt, sqliteNotADB:
			return advice("データベースのファイルが壊れているか、データベースではありません。", "触らずに、控えから戻してください。",
				"The database file is damaged, or is none.", "Leave it alone and put the last copy back."), true
		case sqliteIO:
			return advice("ディスクの読み書きに失敗しました。", "ディスクを確かめてください。処理は取り消されています。",
				"The disk failed to read or write.", "Check the disk. What was under way has been undone."), true
		}
	case errors.As(err, &pg):
		switch code := pg.SQLState(); {
		case code == "53100": // disk_full
			return full(), true
		case code == "40001", code == "40P01", code == "55P03": // serialization, deadlock, lock
			return busy(), true
		case code == "25006": // read_only_sql_transaction
			return advice("データベースは読み取り専用です。", "書き込めるサーバーを -db で指定してください。",
				"The database is read-only.", "Name the server that can be written with -db."), true
		case len(code) == 5 && (code[:2] == "28" || code[:2] == "3D" || code[:2] == "42"):
			return advice("データベースに接続できないか、権限がありません。", "-db の利用者、データベース名と権限を確かめてください。",
				"The database does not let us in, or not do this.", "Check user, database and permissions in -db."), true
		case len(code) == 5 && (code[:2] == "08" || code[:2] == "57" || code[:2] == "53"):
			return advice("データベースのサーバーが応答しません。", "サーバーを確かめて、同じ操作をもう一度行ってください。",
				"The database server does not answer.", "Check the server and do the same again."), true
		}
	}
	return Advice{}, false
}

func busy() Advice {
	return advice("データベースがほかのプログラムに使われたままです。", "処理は取り消されています。ほかのプログラムを確かめて、同じ操作をもう一度行ってください。",
		"Another program holds the database.", "Nothing was done. See what that program is, and do the same again.")
}

func full() Advice {
	return advice("ディスクがいっぱいで、データベースに書き込めません。", "処理は取り消されています。空きを作ってから、同じ操作をもう一度行ってください。",
		"The disk is full and the database cannot grow.", "Nothing was done. Make room and do the same again.")
}
