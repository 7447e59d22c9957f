module github.com/mynakit/mynakit/internal/bench

go 1.26.0

replace github.com/mynakit/mynakit => ../..

require (
	github.com/moov-io/bertlv v0.1.0
	github.com/mynakit/mynakit v0.0.0-00010101000000-000000000000
	github.com/skythen/apdu v0.2.0
	github.com/skythen/bertlv v0.1.2
	github.com/stretchr/testify v1.12.1
	go.etcd.io/bbolt v1.5.0
	modernc.org/sqlite v1.62.0
)

require (
	github.com/dustin/go-humanize v1.1.0 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/mattn/go-isatty v0.0.24 // indirect
	github.com/ncruces/go-strftime v1.1.0 // indirect
	github.com/pkg/errors v0.9.1 // indirect
	github.com/remyoudompheng/bigfft v0.0.0-20230129092748-24d4a6f8daec // indirect
	go.yaml.in/yaml/v3 v3.0.6 // indirect
	golang.org/x/crypto v0.59.0 // indirect
	golang.org/x/sys v0.50.0 // indirect
	golang.org/x/text v0.44.0 // indirect
	modernc.org/libc v1.80.1 // indirect
	modernc.org/mathutil v1.7.1 // indirect
	modernc.org/memory v1.12.1 // indirect
)
