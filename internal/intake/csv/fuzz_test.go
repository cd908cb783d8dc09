package csv

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/intake/dates"
)

func FuzzReader(f *testing.F) {
	good := table(",", record1())
	f.Add([]byte(good), "", "")
	f.Add([]byte(table(";", with(colName, `"`))), Windows1252, "DMY")
	f.Add([]byte(good+`a,"b`+"\n,,\r\r\n\"\"\n"), UTF16LE, "MDY")
	f.Add([]byte(strings.SplitN(testTable(tested()), "\n", 2)[1]), "tests", "YMD")
	f.Fuzz(func(t *testing.T, data []byte, encoding, order string) {
		header := Columns()
		if encoding == "tests" {
			header, encoding = TestColumns(), ""
		}
		reader, err := NewReader(bytes.NewReader(append([]byte(strings.Join(header, ",")+"\n"), data...)), Options{Encoding: encoding, Dates: dates.Order(order), Zone: time.UTC})
		if err != nil {
			return
		}
		for n := 1; ; n++ {
			row, err := reader.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if row.Number != n || row.Broken != (len(row.Cells) != len(reader.Columns())) && !row.Broken || n > len(data)+1 {
				t.Fatalf("row %d of %d bytes = %+v", n, len(data), row)
			}
		}
	})
}

// FuzzErrorFile writes what was read and reads it again.
func FuzzErrorFile(f *testing.F) {
	f.Add("=1", "'+", "a\nb", `"`)
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		cells := make([]string, templateLength)
		for i, s := range []string{a, b, c, d, "x"} {
			cells[i] = strings.ToValidUTF8(s, "")
		}
		var file bytes.Buffer
		w, err := NewErrorWriter(&file, Columns())
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(cells, nil); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if file.Len() > maxRecord {
			return
		}
		reader, err := NewReader(&file, Options{Zone: time.UTC})
		if err != nil {
			t.Fatal(err)
		}
		row, err := reader.Read()
		if err != nil || cmp.Diff(cells, row.Cells) != "" {
			t.Fatalf("%v\n%s", err, cmp.Diff(cells, row.Cells))
		}
	})
}
