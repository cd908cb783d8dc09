# make run     start divoc with demo data (PROFILE=sri-lanka, LISTEN=host:port)
# make build   bin/divoc
# make test    everything a change must pass
# make bench   the rows of the table of targets
# make vectors outside test vectors, a line per set: DIVOC_VECTORS=…
# make conformance  whether a real server does what is relied on: DHIS2_URL=…, COMMCARE_URL=…
# make soak    an hour of fuzzing (FUZZMINUTES=60 for all targets), races, 50 + 50
#              kills, a table of a million rows, ten million certificates
#
# Each does its own set-up on a Debian machine with Go and Node.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:

PROFILE ?= jamaica
LISTEN ?= 127.0.0.1:8080
FUZZMINUTES ?= 60
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

export CGO_ENABLED = 0

.PHONY: run build test bench vectors conformance soak generate setup-build setup-run setup-test check lint unit race wasm-size main-job

run: setup-run build
	exec scripts/run $(PROFILE) $(LISTEN)

build: setup-build bin/.frontend
	go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/divoc ./cmd/divoc

# Set-up

setup-build:
	@scripts/setup go node npm
setup-run: setup-build
	@scripts/setup postgres
setup-test: setup-run
	@scripts/setup git gcc jq curl zbarimg pdftotext qpdf chromium nginx bearerbox aiosmtpd

%/node_modules/.package-lock.json: %/package-lock.json
	cd $* && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
	touch $@

# Front end: the verifier as WebAssembly, then styles, scripts and fonts. Both
# are made again only when something they are made of changed.

wasm := $(shell find cmd/divoc-wasm verify credential trust catalogue vaccination -type f -not -name '*_test.go' 2>/dev/null)
frontend := $(shell find internal/web/frontend -name node_modules -prune -o -type f -print 2>/dev/null)

# What reads and sorts is compiled without inlining, which makes the verifier 120 kB
# smaller to load; what computes signatures is as fast as ever.
uninlined := encoding/json fmt time crypto/x509 reflect encoding/asn1 slices github.com/fxamacker/cbor/v2 github.com/opendivoc/divoc/... \
	math/big strconv strings os io bufio sort net net/url net/netip context internal/poll syscall syscall/js encoding/base64 encoding/hex \
	encoding/pem crypto/x509/pkix vendor/golang.org/x/crypto/cryptobyte compress/flate bytes maps

bin/verifier.wasm: go.mod go.sum $(wasm)
	GOOS=js GOARCH=wasm go build -trimpath $(uninlined:%=-gcflags='%=-l') -ldflags '-s -w' -o $@ ./cmd/divoc-wasm

bin/wasm_exec.js: $(shell go env GOROOT)/lib/wasm/wasm_exec.js
	mkdir -p bin && cp $< $@

bin/.frontend: internal/web/frontend/node_modules/.package-lock.json $(frontend) bin/verifier.wasm bin/wasm_exec.js
	cd internal/web/frontend && node build.mjs
	touch $@

ifeq ($(wildcard internal/web/assets/dist/*.br),)
.PHONY: bin/.frontend
endif

# Generated code

sqlc := $(CURDIR)/.bin/sqlc-v1.31.1/sqlc
templ := $(CURDIR)/.bin/templ-v0.3.977/templ
golangci := $(CURDIR)/.bin/golangci-lint-v2.15.0/golangci-lint

$(sqlc):
	GOBIN=$(@D) go install github.com/sqlc-dev/sqlc/cmd/sqlc@v1.31.1
$(templ):
	GOBIN=$(@D) go install github.com/a-h/templ/cmd/templ@v0.3.977
$(golangci):
	GOBIN=$(@D) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

generate: $(sqlc) $(templ)
	scripts/generate $(sqlc) $(templ)

# Tests. scripts/gotest prints what was skipped, and why.

test: setup-test build check lint wasm-size unit race main-job

check: $(sqlc) $(templ)
	scripts/generate $(sqlc) $(templ) --check
	@unformatted=$$(git ls-files -z '*.go' | xargs -0 gofmt -l); [ -z "$$unformatted" ] || { echo "not gofmt-clean: $$unformatted"; exit 1; }
	go vet ./...

lint: $(golangci)
	$(golangci) run

# The browser verifier's size has a bound: it is loaded over mobile networks.
wasm-size:
	@size=$$(stat -c %s internal/web/assets/dist/verifier.wasm.br); echo "verifier.wasm: $$size bytes with brotli"; [ $$size -le 1600000 ]

npm := $(patsubst %/package-lock.json,%/node_modules/.package-lock.json,$(shell find test -name node_modules -prune -o -name package-lock.json -print))

unit: $(npm)
	scripts/gotest -timeout 40m ./...

# Where goroutines share something.
race:
	CGO_ENABLED=1 scripts/gotest -race -timeout 10m ./internal/seal/... ./internal/keyring/...
	CGO_ENABLED=1 scripts/gotest -race -timeout 10m -run 'AtOnce|Opposite|TwoProcesses|Wait|Once|Breaks|Beside' ./internal/issuance

main-job:
	@if [ -x ../shared/tools/main-job ]; then ../shared/tools/main-job; else echo "skipped: main-job: no ../shared/tools"; fi

# Against real servers, read only: docs/sources-dhis2.md says what to set.
conformance:
	@if [ -z "$${DHIS2_URL-}$${COMMCARE_URL-}" ]; then echo "nothing to ask: set DHIS2_URL (docs/sources-dhis2.md) or COMMCARE_URL (docs/sources-commcare.md)"; exit 2; fi
	if [ -n "$${DHIS2_URL-}" ]; then go test -count=1 -v -run '^TestConformance$$' ./internal/intake/dhis2; fi
	if [ -n "$${COMMCARE_URL-}" ]; then go test -count=1 -v -timeout 20m -run '^TestConformance$$' ./internal/intake/commcare; fi

# Outside test vectors, one line per set with passed and failed. DIVOC_VECTORS is
# the folder of sets, ../shared/vectors when it is left out.
vectors:
	@go test -count=1 -v -run 'Vectors' ./catalogue ./credential/... ./internal/trustlist ./verify ./verify/scan 2>&1 | { grep -aE '^(vectors |FAIL|ok  .*FAIL)|_test\.go:[0-9]+: ' || true; }

bench: setup-test build $(npm)
	scripts/bench

soak: setup-test build $(npm)
	scripts/fuzz $(FUZZMINUTES)
	CGO_ENABLED=1 scripts/gotest -race -timeout 60m ./...
	DIVOC_SOAK=1 go test -count=1 -v -p 1 -timeout 24h -run 'NothingAcknowledged|NothingDelivered|AMillionRows|TenMillion|DoesNotGrow' ./test/faults ./test/load ./internal/issuance ./internal/intake/upload
