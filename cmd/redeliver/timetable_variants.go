package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/retrytopics"
)

// variantTimetable is what happens to the failing records of a variant that no override is for.
type variantTimetable struct {
	Variant  string        `json:"variant"`
	Gets     string        `json:"gets"`
	Attempts []attemptStep `json:"attempts"`
	End      string        `json:"end"`
}

// variantTimetables describes the variants of the policy's experiment.
func variantTimetables(s *retrytopics.Schedule) (name string, all []variantTimetable) {
	name, by := s.Experiment()
	sum := 0.0
	for _, v := range s.Variants() {
		sum += v.Weight
	}
	for _, v := range s.Variants() {
		steps := v.Timetable(plainClass(s))
		one := variantTimetable{Variant: v.Variant, Gets: fmt.Sprintf("%.0f %% of the keys", 100*v.Weight/sum), Attempts: fold(steps), End: string(steps[len(steps)-1].End)}
		if by == retrytopics.AssignByJobType {
			one.Gets = "the job types " + strings.Join(v.JobTypes, ", ")
		}
		all = append(all, one)
	}
	return name, all
}

// plainClass is a class that is retried and that no override is for by itself, so that its timetable is the policy's.
func plainClass(s *retrytopics.Schedule) classify.Class {
	for _, class := range classify.Classes() {
		if class.Retriable() && s.Override(retrytopics.Failed{Class: class}, "") < 0 {
			return class
		}
	}
	return classify.Transient
}

func (t timetable) printVariants(w io.Writer) error {
	for _, v := range t.Variants {
		fmt.Fprintf(w, "\n  variant %s of the experiment %s, %s\n", v.Variant, t.Experiment, v.Gets)
		if err := (failureCase{Attempts: v.Attempts, End: v.End}).print(w, t.fate); err != nil {
			return err
		}
	}
	return nil
}
