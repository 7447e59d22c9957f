package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/mynakit/mynakit/examples/shop"
	"github.com/mynakit/mynakit/ticket"
	"github.com/mynakit/mynakit/ticket/paper"
)

// printed is a ticket on paper: two files, and what a reader sees in the QR
// code.
type printed struct {
	page, receipt string // the files' names
	qr            ticket.Code
}

// printTicket writes a ticket's page for A4 and its receipt for a receipt
// printer, and says so to the shop. The files are named by the time of issue,
// so that none is written over that is still good.
func printTicket(ctx context.Context, s *shop.Shop, dir string, roll paper.Roll, t ticket.Ticket) (printed, error) {
	slip, err := s.Slip(t)
	if err != nil {
		return printed{}, err
	}
	var page bytes.Buffer
	if err := paper.WriteHTML(&page, slip); err != nil {
		return printed{}, err
	}
	receipt, err := slip.ESCPOS(roll)
	if err != nil {
		return printed{}, err
	}
	name := strings.Replace(t.IssuedAt.Format("ticket-20060102-150405.000000"), ".", "-", 1)
	p := printed{filepath.Join(dir, name+".html"), filepath.Join(dir, name+".escpos"), slip.QR}
	if err := os.WriteFile(p.page, page.Bytes(), 0o600); err != nil {
		return printed{}, err
	}
	if err := os.WriteFile(p.receipt, receipt, 0o600); err != nil {
		return printed{}, err
	}
	return p, s.Printed(ctx, t)
}

// printReceipt writes a receipt for a receipt printer and returns the file's name.
func printReceipt(dir string, roll paper.Roll, r paper.Receipt, operation string) (string, error) {
	bytes, err := r.ESCPOS(roll)
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "use-"+strings.ReplaceAll(operation, ":", "-")+".escpos")
	return name, os.WriteFile(name, bytes, 0o600)
}
