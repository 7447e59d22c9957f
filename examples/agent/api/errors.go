package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/advice"
)

// Error is an error as it is sent, also within a card and a proof.
type Error struct {
	Code         string           `json:"code"`
	What         Text             `json:"what"`
	Do           Text             `json:"do"`
	Retry        string           `json:"retry"`
	RetryAfter   *int             `json:"retry_after"` // seconds
	TriesLeft    *int             `json:"tries_left"`
	PlatformCode *mykey.ErrorCode `json:"platform_code"`
	Request      string           `json:"request,omitempty"` // its number in the agent's log
}

// Text is a sentence in both languages.
type Text struct {
	JA string `json:"ja"`
	EN string `json:"en"`
}

// refusal is an error of the agent's own, by its code.
type refusal string

func (r refusal) Error() string { return "agent: " + string(r) }

// own are the texts of the agent's own codes. Those that the catalogue of package
// advice has too have its kinds for codes.
func own() []advice.Entry {
	entry := func(code refusal, retry advice.Retry, whatJA, doJA, whatEN, doEN string) advice.Entry {
		return advice.For(advice.Advice{Kind: string(code), Retry: retry,
			What: mykey.Text{JA: whatJA, EN: whatEN}, Do: mykey.Text{JA: doJA, EN: doEN}}, code)
	}
	return []advice.Entry{
		entry("bad_request", advice.Change,
			"呼び出しの形式が正しくありません。", "POSのシステム担当者に連絡してください。",
			"The call is malformed.", "Tell whoever looks after the till's program."),
		entry("key_missing", advice.Change,
			"Idempotency-Key がありません。", "POSのシステム担当者に連絡してください。",
			"The header Idempotency-Key is missing or malformed.", "Send 1 to 64 printable ASCII characters that are new for each operation."),
		entry("token_refused", advice.Never,
			"このPOSは登録されていないか、登録が取り消されています。", "POSの登録をやり直してください。",
			"The token is not, or no longer, that of a client.", "Register again."),
		entry("origin_refused", advice.Never,
			"許可されていない画面からの呼び出しです。", "許可する画面は -origin で指定します。",
			"This page may not call the agent.", "Sites that may are listed with -origin."),
		entry("host_refused", advice.Never,
			"呼び出し先の名前が正しくありません。", "127.0.0.1 または localhost で呼び出してください。",
			"The agent does not answer to this name.", "Call it as 127.0.0.1 or localhost."),
		entry("not_found", advice.Never,
			"指定したものが見つかりません。", "最初の画面に戻って、やり直してください。",
			"There is no such thing.", "Go back to the first screen and begin again."),
		entry("card_removed", advice.Card,
			"カードが外れました。", "セットし直してください。",
			"The card was taken away.", "Put it back."),
		entry("card_missing", advice.Card,
			"カードがセットされていません。", "マイナンバーカードをセットしてください。",
			"There is no card on the reader.", "Put the Individual Number Card on it."),
		entry("busy", advice.Later,
			"ほかの手続きを行っています。", "終わってから、やり直してください。",
			"Another procedure is under way.", "Try again when it has ended."),
		entry("key_reused", advice.Change,
			"同じ操作が、別の内容ですでに処理されています。", "最初の画面に戻って、やり直してください。",
			"The key was used before with another body.", "Begin again with a new key."),
		entry("in_progress", advice.Same,
			"同じ操作を処理しています。", "しばらくしてから、結果を確認してください。",
			"This request is being carried out.", "Ask for its answer in a moment."),
		entry("request_unknown", advice.Same,
			"この操作の記録がありません。", "これから届くこともあります。やめるときは、取り消してください。",
			"There is no such request.", "It may still arrive. Only a cancel is final."),
		entry("request_void", advice.Change,
			"この操作は、先に取り消されています。", "最初からやり直してください。",
			"This request was cancelled before it came.", "Nothing was done. Begin again with a new key."),
		entry("not_undoable", advice.Never,
			"この操作は取り消せません。", "内容を確認し、返金などの方法をシステム担当者に相談してください。",
			"This cannot be undone.", "Look at the answer, and ask the system administrator how to set it right."),
		entry("proof_needed", advice.Holder,
			"この操作には暗証番号が必要です。", "ご本人が利用者証明用の暗証番号を入力してください。",
			"The holder has to prove himself for this.", "Ask for a proof, and make the call with it."),
		entry("proof_expired", advice.Holder,
			"本人確認の有効な時間が過ぎました。", "もう一度、ご本人が暗証番号を入力してください。",
			"The proof is over, or was for something else.", "Ask for a new one."),
		entry("printed_before", advice.Change,
			"このポイント券は印刷済みです。", "再発行のときは、再発行を指定してください。",
			"This ticket is on paper already.", "Print it with \"again\": true, which marks the paper."),
		entry("pin_window", advice.Later,
			"暗証番号の画面を開けませんでした。", "システム担当者に連絡してください。",
			"The window for the PIN could not be opened.", "Tell the system administrator."),
		entry("outcome_unknown", advice.Change,
			"印刷できたかどうかを確認できませんでした。", "用紙を確認し、印刷されていないときは再発行してください。",
			"It is not known whether this was printed.", "Look at the paper. If there is none, print again under a new key."),
		entry("clock_behind", advice.Later,
			"時計が、前回のレジ締めより前になっています。", "日付と時刻を確認し、システム担当者に連絡してください。",
			"The clock is before the last closing of this terminal.", "Nothing was done. See whether date and time are right, and tell the system administrator."),
		entry("too_many", advice.Later,
			"呼び出しが多すぎます。", "少し待ってから、やり直してください。",
			"There are too many calls at once.", "Wait a moment and try again."),
		entry("printer_offline", advice.Later,
			"プリンターに接続できません。", "電源とケーブルを確認してください。",
			"The printer does not answer.", "Check its power and its cable."),
		entry("printer_paper", advice.Later,
			"プリンターの用紙がありません。", "用紙を補充してから、やり直してください。",
			"The printer is out of paper.", "Put paper in, and try again."),
		entry("printer_cover", advice.Later,
			"プリンターのカバーが開いています。", "カバーを閉めてから、やり直してください。",
			"The printer's cover is open.", "Close it, and try again."),
	}
}

// explain turns an error into what is sent.
func explain(err error) *Error {
	a := shop.Explain(err, own()...)
	e := &Error{Code: a.Kind, What: Text(a.What), Do: Text(a.Do), Retry: a.Retry.String()}
	if a.Code != "" {
		e.PlatformCode = &a.Code
	}
	if pin, ok := errors.AsType[*jpki.PINError](err); ok {
		e.TriesLeft = &pin.Left
	}
	if _, ok := errors.AsType[*jpki.LastTryError](err); ok {
		one := 1
		e.TriesLeft = &one
	}
	if a.Retry == advice.Later {
		five := 5
		e.RetryAfter = &five
	}
	return e
}

// status is the HTTP status of a code.
func status(code string) int {
	switch code {
	case "bad_request", "key_missing", "form", "date":
		return http.StatusBadRequest
	case "token_refused":
		return http.StatusUnauthorized
	case "origin_refused":
		return http.StatusForbidden
	case "host_refused":
		return http.StatusMisdirectedRequest
	case "not_found", "request_unknown":
		return http.StatusNotFound
	case "card_removed", "card_missing", "wrong_card", "card_changed", "card_unreadable", "card_unresponsive", "card_unexpected",
		"exchange_broken", "busy", "key_reused", "in_progress", "request_void", "not_undoable", "proof_needed", "proof_expired",
		"pin_first", "pin_wrong", "pin_outcome_unknown", "session_over", "outcome_unknown", "printed_before", "id_replaced":
		return http.StatusConflict
	case "too_many":
		return http.StatusTooManyRequests
	case "no_reader", "no_pcsc", "reader_denied", "reader_shared", "reader_stuck", "reader_limit", "database_busy", "database_away", "disk",
		"disk_full", "database_file", "database_read_only", "database_refused", "database_damaged", "network", "timeout", "interrupted",
		"printer_paper", "printer_cover", "printer_offline", "pin_window", "clock_behind":
		return http.StatusServiceUnavailable
	case "unexpected", "program", "config", "transaction_lost", "restored":
		return http.StatusInternalServerError
	}
	return http.StatusUnprocessableEntity
}

// refuse answers with one of the agent's own codes.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, code refusal) { s.fail(w, r, code) }

// fail answers with an error.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := explain(err)
	e.Request = requestID(r)
	if status(e.Code) >= http.StatusInternalServerError {
		s.cfg.Log.Error("a call failed", "request", e.Request, "path", r.Pattern, "error", err)
	}
	if e.RetryAfter != nil {
		w.Header().Set("Retry-After", strconv.Itoa(*e.RetryAfter))
	}
	body := map[string]any{"error": e}
	if stored, ok := errors.AsType[*notUndoable](err); ok {
		body["answer"] = stored.answer
	}
	s.answer(w, status(e.Code), body)
}

// answer sends JSON.
func (s *Server) answer(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		s.cfg.Log.Error("unexpected", "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // who has gone does not read it
}
