package dlq

// pairs of letters, a row for the first, a column for the second: how often the second follows the first in words and names, beside letters that
// are drawn at random. 6 is as often, 7 twice, 5 half as often, 0 a 64th or less. Counted in the distinct names of Go's standard library and of
// modules, of the classes of 226 Java archives and of Debian's packages, and in the words of English and, for a fifth, of seven other languages.
var pairs = [26]string{
	//abcdefghijklmnopqrstuvwxyz
	"36761462624777061878553343", // a
	"85548443753843742774733362",
	"81528228617731831657610054",
	"84369342822544740663633243",
	"64674552423668354987355643", // e
	"82347732903733830766712141",
	"73439266702646730874722042",
	"93339221802554830657613051",
	"66767560133768852577250305", // i
	"83559432505356840284744213",
	"74349443824645741576724031",
	"73369332903732730267641051",
	"86349211702463770263613030", // m
	"73778673725335631278552042",
	"45663551435769670866756322",
	"82458235702722860857611040",
	"32332221210732132445913100", // q
	"83659351805454840667552063",
	"63738336705443763379623053",
	"82539216812432740766613262",
	"66657550622778470877222303", // u
	"92329221801342740333320010",
	"93438225903446730764403261",
	"63857433702465481449532562",
	"65756442545677591477325225", // y
	"83439132724446730344724266",
}

// caseSteps are the same, in powers of two, of the case of what follows one, two, and three or more small letters, and capitals, where a name has
// both within: {a small one, a capital}.
var caseSteps = [2][3][2]int{{{1, -4}, {1, -3}, {1, -1}}, {{1, -3}, {-2, 1}, {0, 0}}}

// likelihood is how much likelier it is that letters and digits were typed, as words and names are, than that they were drawn at random, in powers of
// two: above 0 they rather were typed.
func likelihood(s string) int {
	const digitStep = -2 // from a letter to a digit, or back
	sum, mixed := 0, isMixed(s)
	row := 0 // letters of the case of the last one before it
	for i := 1; i < len(s); i++ {
		a, b := s[i-1], s[i]
		if !isLetter(a) || !isLetter(b) {
			if row = 0; isLetter(a) && isDigit(b) || isDigit(a) && isLetter(b) {
				sum += digitStep
			}
			continue
		}
		before, large := 0, 0
		if isUpper(a) {
			before = 1
		}
		if isUpper(b) {
			large = 1
		}
		if mixed {
			sum += caseSteps[before][min(row, 2)][large]
		}
		if large == 0 || before == 1 && (i+1 == len(s) || !isLower(s[i+1])) { // or another word begins
			sum += int(pairs[a|0x20-'a'][b|0x20-'a']) - '6'
		}
		if row++; before != large {
			row = 0
		}
	}
	return sum
}

// isMixed says whether letters are of both cases, but for the first.
func isMixed(s string) bool {
	small, large := false, false
	for i := 1; i < len(s); i++ {
		small, large = small || isLower(s[i]), large || isUpper(s[i])
	}
	return large && (small || s != "" && isLower(s[0]))
}
