package store_test

import (
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

func TestThePublishedKey(t *testing.T) {
	s := open(t)
	if _, err := s.PasswordKey(t.Context()); !fault.Is(err, fault.NotFound) {
		t.Errorf("before: %v, want a fault of kind %s", err, fault.NotFound)
	}
	for _, want := range []string{`{"kid":"one"}`, `{"kid":"two"}`} {
		if err := s.PublishPasswordKey(t.Context(), []byte(want)); err != nil {
			t.Fatal(err)
		}
		if got, err := s.PasswordKey(t.Context()); err != nil || string(got) != want {
			t.Errorf("%s, %v, want %v", got, err, want)
		}
	}
}

func TestOneSetsAPasswordAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		take := func(user directory.UserID) error {
			return s.TakePasswordTurn(t.Context(), organization, user, time.Now().Add(time.Minute))
		}
		if err := take("ann"); err != nil {
			t.Fatal(err)
		}
		if err := take("ann"); !fault.Is(err, fault.Conflict) {
			t.Errorf("while another does: %v, want a fault of kind %s", err, fault.Conflict)
		}
		if err := take("bob"); err != nil {
			t.Errorf("another user: %v", err)
		}
		if err := s.EndPasswordTurn(t.Context(), organization, "ann"); err != nil {
			t.Fatal(err)
		}
		if err := take("ann"); err != nil {
			t.Errorf("after it: %v", err)
		}
		time.Sleep(time.Minute + time.Second) // the one who had the turn died
		if err := take("ann"); err != nil {
			t.Errorf("after its time: %v", err)
		}
		if user, err := s.User(t.Context(), organization, "ann"); err != nil || len(user.Links)+len(user.Connections) != 0 {
			t.Errorf("the turn is read as something else: %+v, %v", user, err)
		}
	})
}

func TestAnActionIsChangedByOne(t *testing.T) {
	s := open(t)
	a := plan.Action{ID: "a1", Type: plan.SetPassword, Directory: directory.NewID(organization, "main"), Status: plan.Queued, At: time.Now().UTC()}
	if _, _, err := s.ActionVersion(t.Context(), organization, a.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("before: %v, want a fault of kind %s", err, fault.NotFound)
	}
	if err := s.RecordActions(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	read, version, err := s.ActionVersion(t.Context(), organization, a.ID)
	if err != nil || read.Status != plan.Queued {
		t.Fatalf("%+v, %v, want Status %v", read, err, plan.Queued)
	}
	read.Status = plan.Started
	if err := s.ChangeAction(t.Context(), read, version); err != nil {
		t.Fatal(err)
	}
	read.Status = plan.Failed
	if err := s.ChangeAction(t.Context(), read, version); !fault.Is(err, fault.Changed) {
		t.Errorf("by a second one: %v, want a fault of kind %s", err, fault.Changed)
	}
	if kept, err := s.Action(t.Context(), organization, a.ID); err != nil || kept.Status != plan.Started {
		t.Errorf("%+v, %v, want Status %v", kept, err, plan.Started)
	}
}

func TestLinksAreChangedOneAfterTheOther(t *testing.T) {
	s := open(t)
	id := directory.NewID(organization, "main")
	change := func(link directory.Link) directory.Link {
		n, _ := strconv.Atoi(link.Message)
		link.Message = strconv.Itoa(n + 1)
		return link
	}
	if err := s.ChangeLink(t.Context(), id, "ann", change); !fault.Is(err, fault.NotFound) {
		t.Errorf("a link that is not there: %v", err)
	}
	if err := s.Connect(t.Context(), id, "ann", directory.Direct, time.Now()); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			if err := s.ChangeLink(t.Context(), id, "ann", change); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := s.ChangeLink(t.Context(), id, "ann", func(l directory.Link) directory.Link { return l }); err != nil {
		t.Error(err)
	}
	user, err := s.User(t.Context(), organization, "ann")
	if link, _ := user.Link(id); err != nil || link.Message != "5" || link.Version != 6 {
		t.Errorf("%+v, %v, want Message \"5\", Version 6", user.Links, err)
	}
	if links, err := s.Links(t.Context(), id, 0, ""); err != nil || len(links.Items) != 1 {
		t.Errorf("the link is not listed any more: %v", err)
	}
}
