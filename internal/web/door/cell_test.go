package door

import "testing"

func TestACellIsNoFormula(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "staff:3": "staff:3", "a=b": "a=b", "=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\tx": "'\tx", "\rx": "'\rx",
		"behind a space": "behind a space", " =1": "' =1", "'=1": "''=1", "' =1": "'' =1",
	} {
		if got := Cell(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}
