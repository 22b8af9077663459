package main

import (
	"bytes"
	"os"
	"testing"
)

// TestThePictureIsWhatIsSimulated holds the committed picture to the account as it is.
func TestThePictureIsWhatIsSimulated(t *testing.T) {
	want, err := os.ReadFile("../../../docs/admission.svg")
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	draw(&got)
	if !bytes.Equal(got.Bytes(), want) {
		t.Error("docs/admission.svg is not what is simulated: go run ./internal/credit/plot > docs/admission.svg")
	}
}

// TestWhatThePictureShows says in words what the documentation says of it.
func TestWhatThePictureShows(t *testing.T) {
	at := func(s series, share float64) float64 { return s.values[int(share/step+0.5)] }
	four, refill := flood("", 1000, 4), flood("", 1000, everySuccess)
	if got := at(four, 1); got != 1000 {
		t.Errorf("when every record dies %v dead letters are written, want the burst", got)
	}
	if got := at(four, 0.9); got < 1000 || got > 2500 {
		t.Errorf("when nine of ten records die %v dead letters are written, want a few more than the burst", got)
	}
	if got := at(four, 0.75); got < 0.7*records {
		t.Errorf("when three of four records die the pipeline holds after %v dead letters, want never", got)
	}
	if got := at(refill, 0.9); got < 0.85*records {
		t.Errorf("where one success refills the account it holds after %v dead letters when nine of ten records die, want a flood", got)
	}
	if got := at(falseHolds("", 1000, 4, 100), 0.3); got != 0 {
		t.Errorf("%v of 100 pipelines hold three tenths of whose records die, in stretches of 100", got)
	}
}
