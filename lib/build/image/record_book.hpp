// What a build's record is made of, collected while stages run side by side (private).
#pragma once

#include "cooper/build/build_record.hpp"

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace cooper::build {

/// Safe from several threads.
class RecordBook {
public:
    void base(BuildRecord::Base base) { add(record_.bases, std::move(base)); }
    void fetched(BuildRecord::Fetched fetched) { add(record_.fetched, std::move(fetched)); }
    void checkout(BuildRecord::Checkout checkout) { add(record_.checkouts, std::move(checkout)); }
    void step(BuildRecord::Step step) { add(record_.steps, std::move(step)); }
    void used_build_arg(const std::string& name) { add(used_, name); }
    [[nodiscard]] bool has_used(const std::string& name) const {
        const std::lock_guard lock(mutex_);
        return std::find(used_.begin(), used_.end(), name) != used_.end();
    }

    /// When nothing runs any more.
    [[nodiscard]] BuildRecord take() { return std::move(record_); }

private:
    template <class Value>
    void add(std::vector<Value>& list, Value value) {
        const std::lock_guard lock(mutex_);
        if (std::find(list.begin(), list.end(), value) == list.end()) {
            list.push_back(std::move(value));
        }
    }

    mutable std::mutex mutex_;
    BuildRecord record_{sha256(std::string_view()), {}, 0, {}, {}, {}, {}, {}, {}, {}, {}, {}};
    std::vector<std::string> used_;
};

}  // namespace cooper::build
