// Package mrz writes names as the machine readable zone of a passport has them:
// A to Z and the filler "<" (ICAO Doc 9303 part 3, section 6, tables A and B).
//
// It transliterates Latin and Cyrillic letters, for which ICAO gives a table.
// A name in another script has no such form here: which Latin letters its bearer
// uses is for their passport to say, and nothing is guessed.
package mrz

import (
	"strings"
	"unicode"
)

// Name returns name in the letters of the machine readable zone, its parts
// joined by "<". ok is false where it is in a script that has no table, or has
// no letter at all.
func Name(name string) (text string, ok bool) {
	var b strings.Builder
	gap := false
	for _, r := range name {
		switch {
		case r >= 'A' && r <= 'Z':
		case r >= 'a' && r <= 'z':
			r -= 'a' - 'A'
		case r == '\'' || r == '’' || r == 'ʼ' || r == '`' || r == '.' || r == ',' || r == '·':
			continue // left out, section 4.6
		case unicode.Is(unicode.Mn, r):
			continue // an accent of its own: the letter before it stands
		case r == '<' || r == '-' || r == '‐' || r == '‑' || r == '–' || unicode.IsSpace(r):
			gap = b.Len() > 0
			continue
		case unicode.IsDigit(r):
			return "", false
		default:
			to, known := letters()[unicode.ToUpper(r)]
			if r == 'ß' {
				to, known = "SS", true
			}
			if !known {
				return "", false
			}
			if gap && to != "" {
				b.WriteByte('<')
				gap = false
			}
			b.WriteString(to)
			continue
		}
		if gap {
			b.WriteByte('<')
			gap = false
		}
		b.WriteRune(r)
	}
	return b.String(), b.Len() > 0
}

// table pairs capital letters with what ICAO recommends for them; where it gives
// a choice, the first.
const table = "ÁA ÀA ÂA ÄAE ÃA ĂA ÅAA ĀA ĄA ǍA ĆC ĈC ČC ĊC ÇC ĐD ĎD ÐD ÉE ÈE ÊE ËE ĚE ĖE ĒE ĘE ĔE " +
	"ĜG ĞG ĠG ĢG ĤH ĦH ÍI ÌI ÎI ÏI ĨI İI ĪI ĮI ĬI ĴJ ĶK ŁL ĹL ĽL ĻL ĿL ŃN ÑN ŇN ŅN ŊN ØOE ÓO ÒO ÔO ÖOE ÕO ŐO ŌO ŎO " +
	"ŔR ŘR ŖR ŚS ŜS ŠS ŞS ȘS ŤT ŢT ŦT ȚT ÚU ÙU ÛU ÜUE ŨU ŬU ŰU ŮU ŪU ŲU ŴW ÝY ŶY ŸY ŹZ ŽZ ŻZ ÞTH ÆAE ĲIJ ŒOE ẞSS ƏE ƠO ƯU " +
	"АA БB ВV ГG ДD ЕE ЁE ЖZH ЗZ ИI ІI ЙI КK ЛL МM НN ОO ПP РR СS ТT УU ФF ХKH ЦTS ЧCH ШSH ЩSHCH ЫY ЪIE ЭE ЮIU ЯIA " +
	"ѴY ҐG ЎU ѪU ЃG ЂD ЅDZ ЈJ ЌK ЉLJ ЊNJ ҺC ЏDZ ЄIE ЇI"

var letters = func() func() map[rune]string {
	m := map[rune]string{'Ь': ""} // the soft sign has no letter
	for pair := range strings.FieldsSeq(table) {
		for i, r := range pair {
			if i == 0 {
				if _, there := m[r]; !there {
					m[r] = strings.TrimPrefix(pair, string(r))
				}
			}
		}
	}
	return func() map[rune]string { return m }
}()
