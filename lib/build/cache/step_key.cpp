#include "cooper/build/build_cache.hpp"

#include <array>

namespace cooper::build {

namespace {

/// Goes up whenever equal keys would no longer mean equal layers: old records are then never found again.
constexpr std::string_view kKeyFormat = "cooper.build.step/1";

void add_number(Hasher& hasher, std::uint64_t number) {
    std::array<std::byte, 8> bytes{};
    for (std::byte& byte : bytes) {
        byte = static_cast<std::byte>(number & 0xffU);
        number >>= 8U;
    }
    hasher.update(bytes);
}

void add_text(Hasher& hasher, std::string_view text) {
    add_number(hasher, text.size());
    hasher.update(text);
}

/// What follows a name, so that a list of one value is not that value.
constexpr std::string_view kOne = "one";
constexpr std::string_view kList = "list";

}  // namespace

StepKey::StepKey(std::string_view kind) {
    add_text(hasher_, kKeyFormat);
    add_text(hasher_, kind);
}

StepKey& StepKey::add(std::string_view name, std::string_view value) {
    add_text(hasher_, name);
    add_text(hasher_, kOne);
    add_text(hasher_, value);
    return *this;
}

StepKey& StepKey::add(std::string_view name, const std::vector<std::string>& values) {
    add_text(hasher_, name);
    add_text(hasher_, kList);
    add_number(hasher_, values.size());
    for (const std::string& value : values) {
        add_text(hasher_, value);
    }
    return *this;
}

Digest StepKey::finish() {
    return hasher_.finish();
}

Digest chain_id(const std::vector<Digest>& diff_ids) {
    if (diff_ids.empty()) {
        return sha256(std::string_view());
    }
    Digest chain = diff_ids.front();
    for (std::size_t i = 1; i < diff_ids.size(); ++i) {
        chain = sha256(chain.text() + " " + diff_ids[i].text());
    }
    return chain;
}

}  // namespace cooper::build
