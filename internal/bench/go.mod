module github.com/mynakit/mynakit/internal/bench

go 1.26.0

replace github.com/mynakit/mynakit => ../..

require (
	github.com/mynakit/mynakit v0.0.0-00010101000000-000000000000
	github.com/stretchr/testify v1.12.1
)

require (
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)
