package secretcheck

// shows holds the types whose plain fields are no secret, each with the reason.
// Fields of another exported type still have to hide what they hold.
var shows = because(map[string][]string{
	"a program's settings, and what they are made of": {
		"apdu/vpcd.Slot", "examples/agent/api.Config", "examples/agent/readers.PCSC", "examples/counter/page.Config", "examples/counter/page.Grant", "examples/counter/page.Lang", "examples/counter/page.Sample",
		"examples/shop.Config", "examples/shop.Operator", "jpki/revoke.OCSP", "mergefile.ProbeOptions", "mergefile.ReaderOptions",
		"mergefile.WriterOptions", "mergefile/inbox.Config", "mergefile/outbox.Config", "mergefile/ledger.Config", "mergefile/ledger.ReceiverConfig", "mergefile/ledger.File",
		"mykey/grant.Config", "mykey/grant.DeviceConfig", "mykey/grant.Programme", "mykey/point.Config", "mykey/point.Programme", "mykey/point.Partner", "mykey/point.Profile", "mykey/registry.Config",
		"mykey/registry.SerialForm", "mykey/registry.TerminalConfig", "simcard/fault.Rule", "ticket.Config", "ticket.Policy", "ticket.Throttle",
		"ticket.Scope", "ticket.Terminal", "ticket/paper.Slip", "ticket/paper.Roll",
	},
	"a choice of the merge file's format; keys are a mergefile.Key": {
		"mergefile.Profile", "mergefile.HolderForm", "mergefile.PointsForm", "mergefile.TransactionForm", "mergefile.HashForm",
		"mergefile.CipherForm", "mergefile.FileNameForm", "mergefile.RecordCount", "mergefile.Layout", "mergefile.Charset",
		"mergefile.EOL", "mergefile.HolderChars", "mergefile.Zone", "mergefile.SequenceReset", "mergefile.SequenceScope",
		"mergefile.SecretPlace", "mergefile.SecretForm", "mergefile.HashFields", "mergefile.HashText", "mergefile.CipherMode",
		"mergefile.IVForm", "mergefile.Padding", "mergefile.KeyForm", "mergefile.Outer", "mergefile.Integrity",
		"mergefile.FileNameKind", "mergefile.TimeForm", "mergefile.Probed", "mergefile.Question", "mergefile.Severity", "mergefile.LintCode", "mergefile.Finding",
	},
	"an error or a report: words of the module's own, counts and places": {
		"apdu/pcsc.Error", "jpki.StepError", "jpki.PINError", "jpki.UnsupportedError", "jpki.HolderDataError", "jpki.RevokedError",
		"jpki.RevocationReason", "mergefile.Fault", "mergefile.RecordError", "mergefile.ProbeError", "mergefile.ProfileError",
		"mergefile.FieldError", "mergefile/inbox.Event", "mergefile/inbox.What", "mergefile/inbox.Summary",
		"mergefile/outbox.Event", "mergefile/outbox.What", "mergefile/outbox.RestoredError", "mykey/grant.RowError", "mykey/grant.ImportError", "mykey/grant.Gap", "mykey/grant.Verdict",
		"mykey/grant.Judged", "mykey/grant.Answer", "mykey/grant.Waiting", "mykey/grant.Tally",
		"mergefile/ledger.ImportReport", "mergefile/ledger.ScopeInfo", "mergefile/ledger.Report", "mergefile/ledger.ConflictError",
		"mergefile/ledger.TooOldError", "mergefile/ledger.RestoredError", "mergefile/ledger.Closing", "mergefile/ledger.Difference", "mykey.FormError", "mykey.ErrorCode", "mykey.Text",
		"examples/agent/api.Error", "examples/agent/api.Text", "mykey/advice.Advice", "mykey/advice.Entry", "examples/shop.Arrival", "examples/shop.Closing", "mykey/point.ShortError",
		"mykey/point.UndoError", "mykey/registry.DuplicateError", "mykey/registry.ImportError", "mykey/registry.TerminalRefusal", "mykey/registry.TerminalCount", "ticket.OrderError", "ticket.CSVError",
		"ticket.StateError", "ticket.FullError", "ticket.Reason", "ticket.Op", "ticket.Event", "ticket.Difference", "ticket/paper.TextError",
		"simcard/tape.MismatchError",
	},
	"bytes on their way between card and program: a trace redacts them, and so has a log to": {
		"apdu.Command", "apdu.Response", "apdu/tlv.Tag", "apdu/tlv.Walker", "simcard/fault.Exchange", "simcard/survey.Exchange", "simcard/tape.Exchange",
	},
	"a connection, a service or a reader at work: names, counts and handles": {
		"apdu.Channel", "apdu.Stats", "apdu/pcsc.Card", "apdu/pcsc.Event", "apdu/pcsc.Server", "apdu/vpcd.Listener", "apdu/vpcd.Remote", "jpki.Card",
		"jpki.Verifier", "jpki/revoke.CRL", "mergefile.Reader", "mergefile.ProvisionalReader", "mergefile.Writer",
		"mergefile/ledger.Tx", "mergefile/inbox.Inbox", "mergefile/inbox.Delivery", "mergefile/ledger.File", "mergefile/ledger.Ledger", "mergefile/ledger.Receiver",
		"mykey/point.Ledger", "mykey/point.Books", "mykey/registry.Registry", "mykey/registry.Terminals", "mykey/registry.Session", "mykey/registry.Enrolment",
		"examples/agent/api.Server", "examples/agent/readers.Phone", "examples/shop.Books", "examples/shop.Shop", "examples/shop.Visit", "examples/counter/page.Page", "ticket.Book",
		"simcard/fault.Card", "simcard/link.Card", "simcard/link.Contact", "simcard/link.Contactless",
		"simcard/tape.Player", "simcard/tape.Recorder",
	},
	"says which kind or key something is, nothing of a holder": {
		"jpki.TextInfo", "jpki.VisualInfo", "jpki.FaceID", "jpki.FaceCertificate", "jpki.FaceAnchors", "simcard.KeyID",
		"simcard.FaceAnchor", "simcard.Revocation", "mykey/registry.Issuer", "mykey/registry.Certificate", "mykey/registry.Presence",
	},
	"what a card said without a PIN, reduced to its form and made to be published": {
		"simcard/survey.Answer", "simcard/survey.Difference", "simcard/survey.Fact", "simcard/survey.Report",
	},
	"made to be stored in a serial number's place": {"jpki.Pseudonym"},
	"public data, or a rule that the platform publishes": {
		"mykey.Contact", "mykey.MunicipalityTable", "mykey.OperatorTable", "mykey.Rule", "mykey/payment.TextRule", "mykey/payment.Rule", "mykey/payment.Rules",
		"mykey.Date", "mykey.Period", "mykey/point.BankAccount", "mergefile/testkit.Vector",
	},
	"an identifier that is no secret and has to be stored, sent and shown": {
		"examples/agent/api.Act", "examples/agent/api.Balance", "examples/agent/api.Card", "examples/agent/api.Day", "examples/agent/api.Event",
		"examples/agent/api.Present", "examples/agent/api.Proof", "examples/agent/api.Question", "examples/agent/api.Redemption",
		"examples/agent/api.Refund", "examples/agent/api.Service", "examples/agent/api.Sum", "examples/agent/api.Ticket", "examples/agent/api.Use",
		"mykey.ID", "mykey.Change", "mykey.PPID", "mykey.CustomerID", "mykey.ServiceID", "mykey/terminal.Fingerprint", "mykey/terminal.Values",
		"mergefile.Transaction", "mykey/point.Account", "mykey/point.Request", "mykey/registry.Person", "mykey/registry.Binding",
		"mykey/registry.Notice", "mykey/registry.PaymentLink", "mykey/registry.ImportRow", "mykey/registry.Progress",
		"mykey/registry.Recovery", "mykey/registry.Grounds", "mykey/registry.Terminal", "mykey/registry.TerminalEntry",
		"mykey/registry.IssuedTerminal", "mykey/registry.TerminalLogin", "examples/shop.Twice", "examples/shop.Undone", "mykey/registry.Undone",
		"examples/shop.Customer", "mykey/payment.Application", "mykey/registry.ImportNotice",
	},
	"points: amounts, dates and the names of calls": {
		"examples/shop.BookedAgain", "examples/shop.Order", "examples/shop.Refund",
		"mergefile/outbox.Known",
		"mergefile/outbox.Outbox", "mergefile/outbox.Order", "mergefile/outbox.Item", "mergefile/outbox.Sent", "mergefile/outbox.Books",
		"mergefile/outbox.Recovery", "mergefile/outbox.Known", "mykey/grant.Office", "mykey/grant.Device", "mykey/grant.Tapped",
		"mykey/grant.Chunk", "mykey/grant.Row", "mykey/grant.Entry", "mykey/grant.Card", "mykey/grant.Mail", "mykey/point.Balance", "mykey/point.Total", "mykey/point.Line", "mykey/point.Settlement", "mykey/point.Difference", "mykey/point.Detail", "mykey/point.DetailDifference",
		"mykey/point.PartnerLine", "mykey/point.PartnerSettlement", "mykey/point.PartnerDifference", "mykey/point.Transferred",
		"mykey/point.KindTotal", "mykey/point.Transfer", "mykey/point.Payout", "mykey/point.TransferError", "mykey/point.CSV", "mykey/point.TillClosing", "mykey/point.KindDifference", "mykey/point.Movement", "mykey/point.Change", "mykey/point.At", "mykey/point.Refund",
		"mykey/point.Credit", "mykey/point.Clawback", "mykey/point.Joined", "mykey/point.Expiry", "mykey/point.Op", "mykey/point.Receipt",
		"mykey/point.Reserve", "mykey/point.Steer", "mykey/point.Sweep", "mykey/point.Use", "mergefile.Record",
		"ticket.Order", "ticket.Presentation", "ticket.Receipt", "ticket.Ticket", "ticket.Detail", "ticket.Total",
		"ticket.Books", "ticket/paper.Receipt", "ticket.TerminalTotal", "ticket.PlaceTotal", "ticket.AccountTotal", "ticket.Line", "ticket.Settlement", "ticket.Batch",
	},
	"how a software card is steered: PINs of cards that protect nobody, and what its log says of an exchange": {
		"simcard/control.Config", "simcard/control.Error", "simcard/control.Exchange", "simcard/control.Fault", "simcard/control.Line",
		"simcard/control.PIN", "simcard/control.Setup", "simcard/control.Slot", "simcard/control.Speed",
	},
	"what a software card is made of: an invented person, and PINs that protect nobody; its state is saved as JSON": {
		"simcard.Card", "simcard.Holder", "simcard.State",
	},
})

func because(groups map[string][]string) map[string]string {
	out := map[string]string{}
	for reason, names := range groups {
		for _, name := range names {
			out[name] = reason
		}
	}
	return out
}

// public are the fields that are no secret in types that hold one.
var public = map[string]bool{
	"jpki.VerifiedCertificate.Issuer": true, // the root of J-LIS
	"jpki.Key.rsa":                    true, // the public key
	"jpki.Verified.signer":            true, // names a key
	"jpki/cms.Message.Signer":         true,
	"simcard.PINState.Left":           true, // counters
	"simcard.PINState.Tries":          true,
}

// tells are the types that show what they hold on purpose, with the reason.
var tells = map[string]string{
	"mykey/grant.Identity": "a person in the clear, made for checking and storing; Hide puts it into a Person",
	"ticket.Revealed":      "a ticket in the clear, made for storing and sending",
	"simcard.State":        "its JSON is how a software card is saved",
}

// harmless are the fields in types of shows that have the name of a secret and are
// none, with the reason.
var harmless = because(map[string][]string{
	"names a key of the hierarchy that signs cards":    {"jpki.TextInfo.Key", "jpki.VisualInfo.Key"},
	"identifiers of keys, as they stand in file names": {"mergefile/inbox.Config.Keys"},
	"the address of an office or a shop":               {"mykey.Contact.Address", "mykey.Contact.PostalCode"},
	"the short name of a programme or a partner":       {"mykey/grant.Programme.Code", "mykey/point.Partner.Code"},
	"the account of a municipality or a shop, as the payout file has it": {
		"mykey/point.BankAccount.BankCode", "mykey/point.BankAccount.BranchCode",
		"mykey/point.BankAccount.Holder", "mykey/point.BankAccount.Number",
	},
	"an invented person's": {"simcard.Holder.Address", "simcard.Holder.SecurityCode"},
	"an error code":        {"examples/agent/api.Error.Code", "simcard/control.Error.Code"},
	"the caller's name for a call that may be repeated": {"examples/counter/page.Grant.Key", "examples/shop.Order.Key", "examples/shop.Refund.Key", "ticket.Order.Key", "ticket.Ticket.OrderKey"},
})
