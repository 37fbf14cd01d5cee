// A bare users API: net/http and SQLite, the duties of a request and nothing else. Run by ../../go_sqlite.py; "fill" as first word
// fills the database.
//
// Duties: Bearer key (SHA-256, looked up once, then from a cache), two rate windows for each key, RateLimit header fields, JSON; an
// update is a transaction that records the change, and survives a power failure. Against ours: no exact total, no roles and scopes,
// no log, no metrics, no usage, no search, no passwords.

//go:debug httpmuxgo121=0
package main

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	_ "github.com/mattn/go-sqlite3"
)

const (
	perMinute = 1_000_000_000
	perHour   = 1_000_000_000
	tables    = `
		CREATE TABLE users (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE,
			created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL);
		CREATE TABLE api_keys (digest BLOB PRIMARY KEY);
		CREATE TABLE events (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, user_id TEXT NOT NULL, created_at INTEGER NOT NULL,
			object TEXT NOT NULL)`
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
	reader, writer                   *sql.DB
	get, list, keyOf, update, record *sql.Stmt
	known                            sync.Map // digest of a key: its windows
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
	if keyOf.QueryRow(digest[:]).Scan(&one) != nil {
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
	if errors.Is(err, sql.ErrNoRows) {
		fail(w, http.StatusNotFound, "No such user.")
		return
	}
	log.Print(err)
	fail(w, http.StatusInternalServerError, "The database failed.")
}

func moment(microseconds int64) time.Time {
	return time.UnixMicro(microseconds).UTC().Truncate(time.Second)
}

// read takes id, name, email and created_at.
func read(row interface{ Scan(...any) error }, more ...any) (user, error) {
	var u user
	var created int64
	err := row.Scan(append([]any{&u.ID, &u.Name, &u.Email, &created}, more...)...)
	u.CreatedAt = moment(created)
	return u, err
}

func listUsers(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	limit, err := strconv.Atoi(query.Get("limit"))
	offset, other := strconv.Atoi(query.Get("offset"))
	if err != nil || other != nil || limit < 1 || limit > 1000 || offset < 0 {
		fail(w, http.StatusUnprocessableEntity, "limit and offset must be numbers.")
		return
	}
	rows, err := list.Query(limit, offset)
	if err != nil {
		failed(w, err)
		return
	}
	defer rows.Close()
	found := make([]user, 0, limit)
	for rows.Next() {
		u, err := read(rows)
		if err != nil {
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
	u, err := read(get.QueryRow(r.PathValue("id")))
	if err != nil {
		failed(w, err)
		return
	}
	answer(w, http.StatusOK, u)
}

// change does it and records it, or neither.
func change(name, id string) (user, error) {
	tx, err := writer.Begin()
	if err != nil {
		return user{}, err
	}
	defer tx.Rollback()
	now := time.Now().UnixMicro()
	u, err := read(tx.Stmt(update).QueryRow(name, now, id))
	if err != nil {
		return u, err
	}
	updated := moment(now)
	u.UpdatedAt = &updated
	object, err := json.Marshal(u)
	if err != nil {
		return u, err
	}
	if _, err = tx.Stmt(record).Exec(newID("evt"), u.ID, now, string(object)); err != nil {
		return u, err
	}
	return u, tx.Commit()
}

func updateUser(w http.ResponseWriter, r *http.Request) {
	var given struct {
		Name string `json:"name"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 65_536)).Decode(&given); err != nil || given.Name == "" || len(given.Name) > 400 {
		fail(w, http.StatusUnprocessableEntity, "name must be a text of 1 to 400 bytes.")
		return
	}
	u, err := change(given.Name, r.PathValue("id"))
	if err != nil {
		failed(w, err)
		return
	}
	answer(w, http.StatusOK, u)
}

func newID(kind string) string {
	random := make([]byte, 10)
	rand.Read(random)
	return fmt.Sprintf("%s_%012x%x", kind, time.Now().UnixMilli(), random)
}

// fill reads "name TAB email" lines from standard input, and prints the ids of those users.
func fill(key string) error {
	if _, err := writer.Exec(tables); err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(key))
	if _, err := writer.Exec("INSERT INTO api_keys VALUES (?)", digest[:]); err != nil {
		return err
	}
	tx, err := writer.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	insert, err := tx.Prepare("INSERT INTO users (id, name, email, created_at, updated_at) VALUES (?, ?, ?, ?, ?)")
	if err != nil {
		return err
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		name, email, _ := strings.Cut(lines.Text(), "\t")
		id, now := newID("user"), time.Now().UnixMicro()
		if _, err := insert.Exec(id, name, email, now, now); err != nil {
			return err
		}
		fmt.Println(id)
	}
	return tx.Commit()
}

func open(options string, connections int) *sql.DB {
	db, err := sql.Open("sqlite3", "file:"+os.Getenv("BENCH_DATABASE")+"?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000"+options)
	if err != nil {
		log.Fatal(err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db
}

func prepare(db *sql.DB, statement string) *sql.Stmt {
	prepared, err := db.Prepare(statement)
	if err != nil {
		log.Fatal(err)
	}
	return prepared
}

func main() {
	writer = open("&_txlock=immediate", 1)
	if os.Args[1] == "fill" {
		if err := fill(os.Getenv("BENCH_KEY")); err != nil {
			log.Fatal(err)
		}
		return
	}
	reader = open("&_query_only=true", 4)
	get = prepare(reader, "SELECT id, name, email, created_at FROM users WHERE id = ?")
	list = prepare(reader, "SELECT id, name, email, created_at FROM users ORDER BY seq LIMIT ? OFFSET ?")
	keyOf = prepare(reader, "SELECT 1 FROM api_keys WHERE digest = ?")
	update = prepare(writer, "UPDATE users SET name = ?, updated_at = ? WHERE id = ? RETURNING id, name, email, created_at")
	record = prepare(writer, "INSERT INTO events (id, type, user_id, created_at, object) VALUES (?, 'user.updated', ?, ?, ?)")
	http.HandleFunc("GET /v1/users", guarded(listUsers))
	http.HandleFunc("GET /v1/users/{id}", guarded(getUser))
	http.HandleFunc("PUT /v1/users/{id}", guarded(updateUser))
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
