#pragma once
// The little that we need of SQLite's C interface, with owners. Used by store.cpp only.

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "ipc/result.h"

namespace emprops::local_hub::sqlite {

struct CloseDatabase {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
using Prepared = std::unique_ptr<sqlite3_stmt, Finalize>;

/// One run of a prepared statement: bind in order, step, read columns in order. Leaves it reset.
class Run {
  public:
    explicit Run(const Prepared& statement) : statement_(statement.get()) {}
    ~Run() {
        sqlite3_reset(statement_);
        sqlite3_clear_bindings(statement_);
    }
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

    /// The text must live until the run ends.
    Run& bind(std::string_view text) {
        sqlite3_bind_text64(statement_, ++bound_, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
        return *this;
    }
    Run& bind(std::int64_t number) {
        sqlite3_bind_int64(statement_, ++bound_, number);
        return *this;
    }
    Run& bind(double number) {
        sqlite3_bind_double(statement_, ++bound_, number);
        return *this;
    }
    Run& bind_null() {
        sqlite3_bind_null(statement_, ++bound_);
        return *this;
    }

    /// SQLITE_ROW, SQLITE_DONE or an error.
    int step() {
        column_ = 0;
        return sqlite3_step(statement_);
    }

    bool null() const { return sqlite3_column_type(statement_, column_) == SQLITE_NULL; }
    void skip() { ++column_; }
    std::string text() {
        const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column_));
        const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column_));
        ++column_;
        return bytes ? std::string(bytes, size) : std::string();
    }
    std::int64_t integer() { return sqlite3_column_int64(statement_, column_++); }
    double number() { return sqlite3_column_double(statement_, column_++); }

  private:
    sqlite3_stmt* statement_;
    int bound_ = 0;
    int column_ = 0;
};

}  // namespace emprops::local_hub::sqlite
