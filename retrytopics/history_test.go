package retrytopics

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func anyTry(t *rapid.T) Try {
	return Try{
		N:     rapid.Int().Draw(t, "n"),
		At:    rapid.Int64().Draw(t, "at"),
		Ms:    rapid.Int64().Draw(t, "ms"),
		Class: rapid.SampledFrom([]string{"network", "rate_limited", "none", "of another time"}).Draw(t, "class"),
		Error: string(rapid.SliceOfN(rapid.Byte(), 0, 80).Draw(t, "bytes")) + rapid.StringN(0, 20, 80).Draw(t, "text"),
	}
}

// The history is JSON, by the judgement of encoding/json, and says what it was
// given; no entry is larger than was reckoned.
func TestHistoryIsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tries := rapid.SliceOfN(rapid.Custom(anyTry), 1, 5).Draw(t, "tries")
		text := appendHistory(nil, tries, 1<<20)
		var got []Try
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for i := range tries {
			if size := len(tries[i].append(nil)); size > tries[i].size() || size > tries[i].most() {
				t.Fatalf("%+v takes %d bytes, reckoned %d and at most %d", tries[i], size, tries[i].size(), tries[i].most())
			}
			tries[i].Error = string([]rune(tries[i].Error)) // each bad byte is U+FFFD
		}
		if diff := cmp.Diff(tries, got); diff != "" {
			t.Fatalf("differs (-want +got):\n%s", diff)
		}
		read, err := parseHistory(string(text))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tries, read); diff != "" {
			t.Fatalf("differs when read (-want +got):\n%s", diff)
		}
	})
}

func TestHistoryKeepsTheNewestThatFit(t *testing.T) {
	tries := []Try{{N: 1}, {N: 2}, {N: 3}}
	one := len(tries[0].append(nil))
	for _, tt := range []struct {
		limit int
		want  string
	}{
		{0, ""},
		{one + 2, ""}, // the reckoning has room for a comma
		{one + 3, `[3]`},
		{2*one + 3, `[3]`},
		{2*one + 4, `[2,3]`},
		{1 << 20, `[1,2,3]`},
	} {
		var got []Try
		text := appendHistory(nil, tries, tt.limit)
		if len(text) > tt.limit {
			t.Fatalf("limit %d: got %d bytes", tt.limit, len(text))
		}
		if len(text) > 0 {
			if err := json.Unmarshal(text, &got); err != nil {
				t.Fatal(err)
			}
		}
		numbers := ""
		if len(got) > 0 {
			var ns []int
			for _, try := range got {
				ns = append(ns, try.N)
			}
			b, _ := json.Marshal(ns)
			numbers = string(b)
		}
		if numbers != tt.want {
			t.Fatalf("limit %d: got %s, want %s", tt.limit, numbers, tt.want)
		}
	}
}

// FuzzHistory: what encoding/json reads is read the same, what it does not is
// an error.
func FuzzHistory(f *testing.F) {
	f.Add(`[{"n":1,"at":2,"ms":3,"class":"network","error":"x"}]`)
	f.Add(`[{"n":-1,"at":2,"ms":3,"class":"","error":""},{"n":1,"at":2,"ms":3,"class":"network","error":"\u00e9"}]`)
	f.Add(`[{"n":00,"at":-0,"ms":-01,"class":"","error":""}]`)
	f.Add("[{\"n\":1,\"at\":2,\"ms\":3,\"class\":\"network\",\"error\":\"a\nb\"}]")
	f.Add(`[]`)
	f.Add(`null`)
	f.Add(`[{"n":01,"at":+2,"ms":--3,"class":"network","error":"x"}] `)
	f.Add("[{\"n\":1,\"at\":2,\"ms\":3,\"class\":\"net\xff\",\"error\":\"\n\"}]")
	f.Fuzz(func(t *testing.T, text string) {
		var want []Try
		wantErr := json.Unmarshal([]byte(text), &want)
		got, err := parseHistory(text)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("got error %v, encoding/json %v", err, wantErr)
		}
		if err != nil {
			return
		}
		if len(got) == 0 && len(want) == 0 {
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("differs (-encoding/json +got):\n%s", diff)
		}
	})
}
