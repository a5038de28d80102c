package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"io/fs"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"

	"github.com/bangervm/banger/internal/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date. A database that is so already costs
// two queries.
func migrate(ctx context.Context, db *sql.DB) error {
	latest, err := latestVersion()
	if err != nil {
		return err
	}
	return migrateTo(ctx, db, latest)
}

func migrateTo(ctx context.Context, db *sql.DB, target int64) error {
	present, err := schemaVersion(ctx, db)
	if err != nil {
		return translate(ctx, err)
	}
	switch {
	case present == target:
		return nil
	case present > target:
		return fault.New(fault.Unavailable, "the database has schema %d, this build of banger knows %d", present, target).
			WithHint("install the newer banger that wrote it")
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fault.Wrap(fault.Internal, err, "read the migrations")
	}
	if _, err := provider.UpTo(ctx, target); err != nil {
		return translate(ctx, err)
	}
	return nil
}

// schemaVersion reads goose's own table. Zero means a new database.
func schemaVersion(ctx context.Context, db *sql.DB) (int64, error) {
	var tables int
	err := db.QueryRowContext(ctx,
		`SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?`, goose.DefaultTablename).Scan(&tables)
	if err != nil || tables == 0 {
		return 0, err
	}
	var version sql.NullInt64
	err = db.QueryRowContext(ctx, `SELECT max(version_id) FROM `+goose.DefaultTablename+` WHERE is_applied`).Scan(&version)
	return version.Int64, err
}

// latestVersion is the number that begins the name of the last migration.
func latestVersion() (int64, error) {
	entries, err := migrations.ReadDir("migrations")
	if err != nil {
		return 0, err
	}
	number, _, _ := strings.Cut(entries[len(entries)-1].Name(), "_")
	return strconv.ParseInt(number, 10, 64)
}
