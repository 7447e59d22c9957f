package survey

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/simcard"
)

// ErrNotHarmless is returned for a command that could spend a try or change the
// card. It never reaches the card.
var ErrNotHarmless = errors.New("survey: not a command that a survey may send")

// harmless reports whether a command reads, selects or asks for a counter.
func harmless(command []byte) bool {
	cmd, err := apdu.ParseCommand(command)
	if err != nil {
		return false
	}
	switch cmd.INS {
	case apdu.InsSelect:
		return true
	case apdu.InsReadBinary, apdu.InsReadRecord, apdu.InsGetData, apdu.InsGetChallenge:
		return len(cmd.Data) == 0
	case apdu.InsVerify:
		return len(cmd.Data) == 0 && cmd.Ne == 0 && cmd.P1 == 0
	}
	return false
}

// A runner is a survey under way.
type runner struct {
	ctx    context.Context
	card   apdu.Transmitter
	report *Report
}

// Run carries out a survey. It takes some 700 exchanges. It fails with the
// errors of the card, which may not be moved meanwhile, and the context's.
func Run(ctx context.Context, card apdu.Transmitter, o Options) (*Report, error) {
	r := &runner{ctx: ctx, card: card, report: &Report{Survey: version, Answers: map[string]Answer{}}}
	if a, ok := card.(interface{ ATR() []byte }); ok {
		r.report.ATR = atrForm(a.ATR())
	}
	progress := func(part string) {
		if o.Progress != nil {
			o.Progress(part)
		}
	}
	progress("manager")
	// Some cards answer the first command after power-on with 6F00.
	if err := r.note("manager/first", bytesOf("00A40000")); err != nil {
		return nil, err
	}
	if err := r.note("manager/select", selectApp("A0000001510000")); err != nil {
		return nil, err
	}
	for _, tag := range objects {
		if err := r.note("manager/object "+tag, bytesOf("00CA"+tag+"000000")); err != nil {
			return nil, err
		}
	}
	for _, a := range apps {
		progress(a.name)
		if err := r.app(a); err != nil {
			return nil, err
		}
	}
	progress("borders")
	if err := r.borders(); err != nil {
		return nil, err
	}
	var more []app
	if o.Licence {
		more = append(more, licence)
	}
	if o.Residence {
		more = append(more, residences...)
	}
	for _, a := range more {
		progress(a.name)
		if err := r.note(a.name+"/select", selectApp(a.aid)); err != nil {
			return nil, err
		}
	}
	return r.report, nil
}

// send sends a command and returns the reply and how long it took.
func (r *runner) send(command []byte) (apdu.Response, time.Duration, error) {
	if !harmless(command) {
		return apdu.Response{}, 0, ErrNotHarmless
	}
	start := time.Now()
	reply, err := apdu.Transmit(r.ctx, r.card, nil, command)
	if err != nil {
		return apdu.Response{}, 0, fmt.Errorf("survey: %w", err)
	}
	response, err := apdu.ParseResponse(reply)
	if err != nil {
		return apdu.Response{}, 0, fmt.Errorf("survey: %w", err)
	}
	return response, time.Since(start), nil
}

// note sends a command and notes the answer. A refusal is an answer.
func (r *runner) note(step string, command []byte) error {
	_, err := r.ask(step, command)
	return err
}

func (r *runner) ask(step string, command []byte) (apdu.Response, error) {
	response, took, err := r.send(command)
	if err != nil {
		return response, err
	}
	cmd, _ := apdu.ParseCommand(command) // it was sent
	a := Answer{SW: statusForm(response.Status), Length: lengthForm(len(response.Data), cmd.Ne), Time: timeForm(took)}
	if cmd.INS == apdu.InsVerify && response.Status.Is(apdu.Counter) {
		a.SW = counterForm(step, byte(response.Status)&0x0F)
	}
	if len(response.Data) > 0 && cmd.INS != apdu.InsGetChallenge {
		a.Form = form(response.Data)
	}
	r.report.Answers[step] = a
	return response, nil
}

// app looks at an application and its files.
func (r *runner) app(a app) error {
	selected, err := r.ask(a.name+"/select", selectApp(a.aid))
	if err != nil || selected.Status != apdu.OK {
		return err
	}
	for id := 1; id <= lastFile; id++ {
		step := fmt.Sprintf("%s/%04X", a.name, id)
		there, err := r.ask(step+" select", bytesOf(fmt.Sprintf("00A4020C02%04X", id)))
		if err != nil {
			return err
		}
		if there.Status != apdu.OK {
			continue
		}
		if err := r.note(step, bytesOf("00200080")); err != nil { // the counter, if it is a PIN
			return err
		}
		content, err := r.ask(step+" read", bytesOf("00B0000000"))
		if err != nil {
			return err
		}
		if err := r.note(step+" record", bytesOf("00B2010400")); err != nil {
			return err
		}
		if content.Status != apdu.OK {
			continue
		}
		size, err := r.size()
		if err != nil {
			return err
		}
		r.report.Answers[step+" size"] = Answer{Length: sizeForm(size)}
		r.keep(step, content.Data)
	}
	return nil
}

// keep notes what is in files that tell about a kind of card and of nobody.
func (r *runner) keep(step string, content []byte) {
	switch step {
	case "jpki/0006":
		const label = 32
		r.report.Label = "other"
		for _, known := range labels {
			if len(content) >= label && string(bytes.TrimRight(content[:label], " \x00")) == known {
				r.report.Label = known
			}
		}
	case "jpki/0008":
		r.report.Certificates = "other"
		for _, known := range [...]string{"8F8F00", "008F00", "8F0000", "000000"} {
			if fmt.Sprintf("%X", content) == known {
				r.report.Certificates = known
			}
		}
	case "text/0005", "visual/0003":
		// FF40 82009F DF41 04 version, and FF30 82…… DF31 04 version.
		const at = 2 + 3 + 3
		if len(content) >= at+4 && content[at-1] == 4 {
			if r.report.Versions == nil {
				r.report.Versions = map[string]string{}
			}
			r.report.Versions[step] = fmt.Sprintf("%X", content[at:at+4])
		}
	}
}

// size finds the size of the current file: the first offset that is not in it.
func (r *runner) size() (int, error) {
	var failed error
	const most = 0x7FFF
	n := sort.Search(most, func(offset int) bool {
		if failed != nil {
			return true
		}
		response, _, err := r.send(bytesOf(fmt.Sprintf("00B0%04X01", offset)))
		failed = err
		return err != nil || response.Status != apdu.OK
	})
	return n, failed
}

// borders sends what cards refuse, within the JPKI application.
func (r *runner) borders() error {
	const jpki = "D392F000260100000001"
	for _, b := range borders {
		command := b.command
		if command[0] == '!' {
			command = command[1:]
			if _, _, err := r.send(selectApp("A0000001510000")); err != nil {
				return err
			}
			if _, _, err := r.send(selectApp(jpki)); err != nil {
				return err
			}
		}
		if err := r.note("border/"+b.name, bytesOf(command)); err != nil {
			return err
		}
	}
	return nil
}

// Reference runs the survey on the software card of the kind that a report is
// of, with the same options.
func Reference(ctx context.Context, report *Report) (*Report, error) {
	options, err := simcard.Sample(report.Kind(), 0, time.Now())
	if err != nil {
		return nil, fmt.Errorf("survey: %w", err)
	}
	licenced, asked := report.Answers[licence.name+"/select"]
	if licenced.SW == found {
		options = append(options, simcard.WithLicence())
	}
	_, residence := report.Answers[residences[0].name+"/select"]
	return Run(ctx, simcard.New(options...), Options{Licence: asked, Residence: residence})
}
