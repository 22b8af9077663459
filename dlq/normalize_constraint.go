package dlq

import "strings"

// constraint passes over the name of a constraint that was generated, which is all that tells which one was violated: UK_6dotkott2kjsp8vw4d0m25fb7,
// UQ__Users__A9D10534C6A1B2D3, SYS_C0012345. It stands in quotes or brackets behind "constraint" or "for key".
func (n *normalizer) constraint() bool {
	out := string(n.out[max(len(n.out)-len("constraint "), 0):])
	if !strings.HasSuffix(out, "constraint ") && !strings.HasSuffix(out, "CONSTRAINT ") && !strings.HasSuffix(out, "constraint: ") && !strings.HasSuffix(out, "for key ") {
		return false
	}
	end, part := n.at+1, n.at+1
	for end < len(n.in) && n.in[end] < 0x80 && (isWord(n.in[end]) || strings.IndexByte("._$#", n.in[end]) >= 0) {
		if n.in[end] == '.' {
			part = end + 1
		}
		end++
	}
	if end == len(n.in) || strings.IndexByte("'\"`])", n.in[end]) < 0 || end-part < len("UK_")+shortestRandom || !generated(n.in[part:end]) {
		return false
	}
	n.literal(end + 1 - n.at)
	n.code, n.kept, n.last = noCode, false, ""
	return true
}

// generated says whether the name of a constraint was: it begins as those that Hibernate, SQL Server and Oracle make.
func generated(name string) bool {
	for _, start := range []string{"uk", "fk", "uq_", "pk_", "ck_", "df_", "sys_c"} {
		if len(name) > len(start) && strings.EqualFold(name[:len(start)], start) {
			return true
		}
	}
	return false
}
