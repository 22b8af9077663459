package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestTheServiceFailsAsItShould(t *testing.T) {
	began := time.Now()
	for _, tt := range []struct {
		name, offset, attempt string
		after                 time.Duration
		want                  int
	}{
		{"most orders are taken", "7", "1", 0, http.StatusNoContent},
		{"one of twenty is refused once", "30", "1", 0, http.StatusServiceUnavailable},
		{"and taken at the second attempt", "30", "2", 0, http.StatusNoContent},
		{"one of a hundred is wrong, always", "199", "3", 0, http.StatusUnprocessableEntity},
		{"the service is away", "7", "1", 150 * time.Second, http.StatusServiceUnavailable},
		{"and comes back", "7", "1", 180 * time.Second, http.StatusNoContent},
		{"somebody else calls", "", "", 0, http.StatusBadRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &service{every: 3 * time.Minute, last: 30 * time.Second, began: began, now: func() time.Time { return began.Add(tt.after) }}
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			r.Header.Set("Redeliver-Offset", tt.offset)
			r.Header.Set("Redeliver-Attempt", tt.attempt)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("got %d, want %d", w.Code, tt.want)
			}
		})
	}
}
