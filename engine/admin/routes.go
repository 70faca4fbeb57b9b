package admin

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/pprof"
	"time"

	"eventstreamcore/engine/control"
)

//go:embed page.html page.css page.js icon.svg
var page embed.FS

// routes are all that the port answers. A method that is not listed for a path
// is answered 405 by the ServeMux.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.scraped())
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /readyz", s.readiness)
	mux.HandleFunc("GET /state", s.showState)
	mux.HandleFunc("POST /state", s.changeState)
	mux.HandleFunc("GET /tail", s.tail)
	for _, file := range []string{"page.css", "page.js", "icon.svg"} {
		mux.HandleFunc("GET /"+file, asset(file))
	}
	mux.HandleFunc("GET /{$}", asset("page.html"))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

func asset(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, page, name) }
}

// health says that the process answers. An engine whose log failed ends its
// process rather than be unhealthy in it.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }

// readiness says whether events are taken in: all threads run, and nobody has
// asked the engine to stop.
func (s *Server) readiness(w http.ResponseWriter, _ *http.Request) {
	switch {
	case s.stopping.Load():
		http.Error(w, "stopping: what was taken in is being stored", http.StatusServiceUnavailable)
	case !s.running():
		http.Error(w, "starting: not every thread runs yet", http.StatusServiceUnavailable)
	default:
		fmt.Fprintln(w, "ready")
	}
}

func (s *Server) running() bool {
	select {
	case <-s.engine.Running():
		return true
	default:
		return false
	}
}

func (s *Server) showState(w http.ResponseWriter, _ *http.Request) { reply(w, s.look()) }

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // fails only when the client has gone
}

// changeState holds the engine in a state, {"state":"DEGRADED"}, or lets the
// figures decide again, {"state":"auto"}.
func (s *Server) changeState(w http.ResponseWriter, r *http.Request) {
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(headerTime)) // or the server's, none
	var wish struct{ State string }
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&wish); err != nil {
		http.Error(w, fmt.Sprintf(`want {"state":"NAME"} or {"state":"auto"}: %v`, err), http.StatusBadRequest)
		return
	}
	if wish.State == "auto" {
		s.engine.Plane.Resume()
	} else {
		state, err := control.ParseState(wish.State)
		if err != nil {
			http.Error(w, fmt.Sprintf(`%v; or "auto"`, err), http.StatusBadRequest)
			return
		}
		s.engine.Plane.Override(state, time.Now())
	}
	s.config.Log.Warn("state changed by hand", "state", wish.State, "client", r.RemoteAddr)
	reply(w, s.engine.Plane.Status())
}
