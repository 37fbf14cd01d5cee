// A bare users API: net/http and pgx, the duties of a request and nothing else. Run by ../../go.py; "fill" as first word fills the database.
//
// Duties: Bearer key (SHA-256, looked up once, then from a cache), two rate windows for each key, RateLimit header fields, JSON.
// Against ours: no exact total, no roles and scopes, no log, no metrics; an update is one statement, and only under /v1/recorded a
// transaction that records the change too.

//go:debug httpmuxgo121=0
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
	"golang.org/x/crypto/argon2"
)

const (
	perMinute = 1_000_000_000
	perHour   = 1_000_000_000
	get       = "SELECT id, name, email, created_at FROM users WHERE id = $1"
	list      = "SELECT id, name, email, created_at FROM users ORDER BY seq LIMIT $1 OFFSET $2"
	update    = "UPDATE users SET name = $1, updated_at = now() WHERE id = $2 RETURNING id, name, email, created_at, updated_at"
	record    = "INSERT INTO events (id, type, user_id, created_at, object) VALUES ($1, 'user.updated', $2, now(), $3)"
	create    = "INSERT INTO users (id, name, email, password_hash) VALUES ($1, $2, $3, $4) RETURNING id, name, email, created_at"
	tables    = `
		CREATE TABLE users (seq bigserial UNIQUE, id text PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE, password_hash text,
			created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now()) WITH (fillfactor = 90);
		CREATE TABLE api_keys (digest bytea PRIMARY KEY);
		CREATE TABLE events (id text PRIMARY KEY, type text NOT NULL, user_id text NOT NULL, created_at timestamptz NOT NULL, object text NOT NULL)`
)

type user struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Email     string     `json:"email"`
	CreatedAt time.Time  `json:"created_at"`
	UpdatedAt *time.Time `json:"updated_at,omitempty"`
}

type window struct {
	length, limit, start, used int64
}

type windows struct {
	sync.Mutex
	minute, hour window
}

var (
	pool  *pgxpool.Pool
	known sync.Map // digest of a key: its windows
)

func (w *window) left(now int64) int64 {
	if now-w.start >= w.length {
		w.start, w.used = now-now%w.length, 0
	}
	return w.limit - w.used
}

// take counts a request in both windows, or in neither.
func (w *windows) take() (ok bool, left, reset int64) {
	now := time.Now().Unix()
	w.Lock()
	defer w.Unlock()
	minute, hour := w.minute.left(now), w.hour.left(now)
	if minute < 1 || hour < 1 {
		return false, 0, w.minute.start + w.minute.length - now
	}
	w.minute.used++
	w.hour.used++
	if hour < minute {
		return true, hour - 1, w.hour.start + w.hour.length - now
	}
	return true, minute - 1, w.minute.start + w.minute.length - now
}

func authenticate(r *http.Request) *windows {
	key, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found {
		return nil
	}
	digest := sha256.Sum256([]byte(key))
	if limits, found := known.Load(digest); found {
		return limits.(*windows)
	}
	var one int
	if pool.QueryRow(r.Context(), "SELECT 1 FROM api_keys WHERE digest = $1", digest[:]).Scan(&one) != nil {
		return nil
	}
	limits, _ := known.LoadOrStore(digest, &windows{minute: window{length: 60, limit: perMinute}, hour: window{length: 3600, limit: perHour}})
	return limits.(*windows)
}

func guarded(handle func(http.ResponseWriter, *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		limits := authenticate(r)
		if limits == nil {
			fail(w, http.StatusUnauthorized, "Invalid API key.")
			return
		}
		ok, left, reset := limits.take()
		w.Header().Set("RateLimit-Limit", strconv.Itoa(perMinute))
		w.Header().Set("RateLimit-Remaining", strconv.FormatInt(left, 10))
		w.Header().Set("RateLimit-Reset", strconv.FormatInt(reset, 10))
		if !ok {
			fail(w, http.StatusTooManyRequests, "Too many requests.")
			return
		}
		handle(w, r)
	}
}

func answer(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		log.Fatal(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}

func fail(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]string{"error": message})
}

func failed(w http.ResponseWriter, err error) {
	if err == pgx.ErrNoRows {
		fail(w, http.StatusNotFound, "No such user.")
		return
	}
	log.Print(err)
	fail(w, http.StatusInternalServerError, "The database failed.")
}

func listUsers(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	limit, err := strconv.Atoi(query.Get("limit"))
	offset, other := strconv.Atoi(query.Get("offset"))
	if err != nil || other != nil || limit < 1 || limit > 1000 || offset < 0 {
		fail(w, http.StatusUnprocessableEntity, "limit and offset must be numbers.")
		return
	}
	rows, err := pool.Query(r.Context(), list, limit, offset)
	if err != nil {
		failed(w, err)
		return
	}
	defer rows.Close()
	found := make([]user, 0, limit)
	for rows.Next() {
		var u user
		if err := rows.Scan(&u.ID, &u.Name, &u.Email, &u.CreatedAt); err != nil {
			failed(w, err)
			return
		}
		found = append(found, u)
	}
	if err := rows.Err(); err != nil {
		failed(w, err)
		return
	}
	answer(w, http.StatusOK, found)
}

func getUser(w http.ResponseWriter, r *http.Request) {
	var u user
	if err := pool.QueryRow(r.Context(), get, r.PathValue("id")).Scan(&u.ID, &u.Name, &u.Email, &u.CreatedAt); err != nil {
		failed(w, err)
		return
	}
	answer(w, http.StatusOK, u)
}

func updateUser(w http.ResponseWriter, r *http.Request) {
	var change struct {
		Name string `json:"name"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 65_536)).Decode(&change); err != nil || change.Name == "" || len(change.Name) > 400 {
		fail(w, http.StatusUnprocessableEntity, "name must be a text of 1 to 400 bytes.")
		return
	}
	var u user
	set := func(row pgx.Row) error { return row.Scan(&u.ID, &u.Name, &u.Email, &u.CreatedAt, &u.UpdatedAt) }
	var err error
	if !strings.HasPrefix(r.URL.Path, "/v1/recorded/") {
		err = set(pool.QueryRow(r.Context(), update, change.Name, r.PathValue("id")))
	} else {
		err = pool.BeginFunc(r.Context(), func(tx pgx.Tx) error {
			if err := set(tx.QueryRow(r.Context(), update, change.Name, r.PathValue("id"))); err != nil {
				return err
			}
			object, err := json.Marshal(u)
			if err != nil {
				return err
			}
			_, err = tx.Exec(r.Context(), record, newID("evt"), u.ID, string(object))
			return err
		})
	}
	if err != nil {
		failed(w, err)
		return
	}
	answer(w, http.StatusOK, u)
}

func createUser(w http.ResponseWriter, r *http.Request) {
	var given struct{ Name, Email, Password string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 65_536)).Decode(&given); err != nil || given.Name == "" || len(given.Password) < 8 {
		fail(w, http.StatusUnprocessableEntity, "name, email and password are needed.")
		return
	}
	salt := make([]byte, 16)
	rand.Read(salt)
	hash := hex.EncodeToString(salt) + hex.EncodeToString(argon2.IDKey([]byte(given.Password), salt, 2, 19_456, 1, 32))
	var u user
	row := pool.QueryRow(r.Context(), create, newID("user"), given.Name, given.Email, hash)
	if err := row.Scan(&u.ID, &u.Name, &u.Email, &u.CreatedAt); err != nil {
		failed(w, err)
		return
	}
	answer(w, http.StatusCreated, u)
}

func newID(kind string) string {
	random := make([]byte, 10)
	rand.Read(random)
	return fmt.Sprintf("%s_%012x%x", kind, time.Now().UnixMilli(), random)
}

type people struct{ *bufio.Scanner }

func (p people) Next() bool { return p.Scan() }

func (p people) Values() ([]any, error) {
	name, email, _ := strings.Cut(p.Text(), "\t")
	id := newID("user")
	fmt.Println(id)
	return []any{id, name, email}, nil
}

// fill reads "name TAB email" lines from standard input, and prints the ids of those users.
func fill(key string) error {
	ctx := context.Background()
	if _, err := pool.Exec(ctx, tables); err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(key))
	if _, err := pool.Exec(ctx, "INSERT INTO api_keys VALUES ($1)", digest[:]); err != nil {
		return err
	}
	_, err := pool.CopyFrom(ctx, pgx.Identifier{"users"}, []string{"id", "name", "email"}, people{bufio.NewScanner(os.Stdin)})
	if err == nil {
		_, err = pool.Exec(ctx, "VACUUM ANALYZE")
	}
	return err
}

func main() {
	config, err := pgxpool.ParseConfig(os.Getenv("BENCH_DATABASE"))
	if err != nil {
		log.Fatal(err)
	}
	config.MaxConns = 8
	if pool, err = pgxpool.ConnectConfig(context.Background(), config); err != nil {
		log.Fatal(err)
	}
	if os.Args[1] == "fill" {
		if err := fill(os.Getenv("BENCH_KEY")); err != nil {
			log.Fatal(err)
		}
		return
	}
	http.HandleFunc("GET /v1/users", guarded(listUsers))
	http.HandleFunc("POST /v1/users", guarded(createUser))
	http.HandleFunc("GET /v1/users/{id}", guarded(getUser))
	http.HandleFunc("PUT /v1/users/{id}", guarded(updateUser))
	http.HandleFunc("PUT /v1/recorded/{id}", guarded(updateUser))
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
