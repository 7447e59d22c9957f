package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/examples/internal/speak"
	"github.com/mynakit/mynakit/simcard"
	"github.com/mynakit/mynakit/simcard/survey"
)

func surveyTask(f *flag.FlagSet, say speak.Voice) func(context.Context, *session) error {
	var options survey.Options
	f.BoolVar(&options.Licence, "licence", false, say("運転免許証がカードにあるかも調べます", "also look whether a driving licence is on the card"))
	f.BoolVar(&options.Residence, "residence", false, say("在留カードのカードアプリケーションがあるかも調べます", "also look whether the applications of a residence card are there"))
	out := f.String("out", "", say("報告を書き出す`ファイル`（省略すると標準出力）", "write the report to `FILE` (default: standard output)"))
	in := f.String("in", "", say("カードは使わず、`ファイル`の報告をソフトウェアカードと比べます", "hold the report in `FILE` against the software card; no card is asked"))
	yes := f.Bool("yes", false, say("確認せずに始めます", "begin without asking"))
	return func(ctx context.Context, s *session) error {
		report, err := takeSurvey(ctx, s, options, *in, *yes)
		if err != nil {
			return err
		}
		if *in == "" {
			if err := writeReport(report, *out, s.stdout); err != nil {
				return err
			}
		}
		reference, err := survey.Reference(ctx, report)
		if err != nil {
			return err
		}
		return s.tellDifferences(survey.Compare(report, reference), fmt.Sprintf(say("応答%d件", "%d answers"), len(report.Answers)), report.Kind())
	}
}

// takeSurvey reads a report, or asks the card for one if the owner agrees.
func takeSurvey(ctx context.Context, s *session, options survey.Options, in string, yes bool) (*survey.Report, error) {
	if in != "" {
		file, err := os.Open(in)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		return survey.Read(file)
	}
	japanese, english := options.Plan()
	for i := range japanese {
		fmt.Fprintf(s.stderr, "- %s\n", s.say(japanese[i], english[i]))
	}
	if !yes {
		fmt.Fprint(s.stderr, s.say("続けますか [y/N] ", "Go on? [y/N] "))
		answer, err := bufio.NewReader(io.LimitReader(s.stdin, 100)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
			return nil, speak.Fail("カードには何も送信していません。", "nothing was sent to the card", nil)
		}
	}
	t, err := s.transmitter(ctx)
	if err != nil {
		return nil, err
	}
	options.Progress = func(part string) { fmt.Fprintf(s.stderr, "%s …\n", part) }
	return survey.Run(ctx, withATR{t, s.atr}, options)
}

// withATR is a card whose answer to reset is known.
type withATR struct {
	apdu.Transmitter
	atr []byte
}

func (w withATR) ATR() []byte { return w.atr }

func (w withATR) TransmitContext(ctx context.Context, dst, command []byte) ([]byte, error) {
	return apdu.Transmit(ctx, w.Transmitter, dst, command)
}

func writeReport(report *survey.Report, name string, stdout io.Writer) error {
	if name == "" {
		_, err := report.WriteTo(stdout)
		return err
	}
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = report.WriteTo(file)
	return errors.Join(err, file.Close())
}

// tellDifferences writes on standard error, or as JSON on standard output.
func (s *session) tellDifferences(list []survey.Difference, of, kind string) error {
	if s.json {
		if list == nil {
			list = []survey.Difference{}
		}
		return s.encode(struct {
			Kind        string              `json:"kind"`
			Differences []survey.Difference `json:"differences"`
		}{kind, list})
	}
	for _, d := range list {
		fmt.Fprintln(s.stderr, d)
	}
	_, err := fmt.Fprintf(s.stderr, s.say("%sをソフトウェアカード（%s）と比べました。違い：%d件\n", "%s held against the software card (%s): %d differ\n"), of, kind, len(list))
	return err
}

func compareTask(f *flag.FlagSet, say speak.Voice) func(context.Context, *session) error {
	in := f.String("in", "", say("記録の`ファイル`。- は標準入力", "the trace, in `FILE`; - is standard input"))
	kind := f.String("kind", "plastic", say("ソフトウェアカードの`種類`：", "`kind` of the software card: ")+strings.Join(simcard.SampleNames(), ", "))
	return func(ctx context.Context, s *session) error {
		if *in == "" {
			return speak.Wrong("-in で記録のファイルを指定してください。", "give the trace: -in FILE")
		}
		options, err := simcard.Sample(*kind, 0, time.Now())
		if err != nil {
			return speak.Wrong(fmt.Sprintf("カードの種類 %q はありません：%s", *kind, strings.Join(simcard.SampleNames(), ", ")), err.Error())
		}
		var file io.Reader = s.stdin
		if *in != "-" {
			opened, err := os.Open(*in)
			if err != nil {
				return err
			}
			defer opened.Close()
			file = opened
		}
		trace, err := survey.ReadTrace(file)
		if err != nil {
			return err
		}
		list, err := survey.Replay(ctx, trace, options...)
		if err != nil {
			return err
		}
		return s.tellDifferences(list, fmt.Sprintf(say("送受信%d回", "%d exchanges"), len(trace)), *kind)
	}
}
