// The names of one scope while it is analysed: which it has variables for, and what those hold when it begins.
#pragma once

#include "build/template/syntax.hpp"

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace cooper::build::jinja {

class Symbols {
public:
    struct Symbol {
        bool stored = false;  ///< something in the scope sets it
        Load::Kind load = Load::Kind::Nothing;
        const Symbols* source = nullptr;  ///< of Load::Kind::Alias: the scope whose variable is copied
    };
    using Names = std::unordered_map<std::string, Symbol>;

    explicit Symbols(const Symbols* parent) : parent_(parent), level_(parent == nullptr ? 0 : parent->level_ + 1) {}

    [[nodiscard]] unsigned level() const { return level_; }
    [[nodiscard]] const Symbols* parent() const { return parent_; }
    [[nodiscard]] const Names& names() const { return names_; }
    /// The scope, this or one around it, that has a variable of this name; null for none.
    [[nodiscard]] const Symbols* find(const std::string& name) const;

    void load(const std::string& name);
    void store(const std::string& name);
    void declare_parameter(const std::string& name);
    /// Runs the branches of an `if`, each as if the others were not there, then joins what they found.
    void branches(const std::vector<std::function<void()>>& branches);

private:
    using Changes = std::vector<std::pair<std::string, Symbol>>;

    /// For changing; remembers what was there before.
    Symbol& change(const std::string& name);
    /// What changed since `mark`, which is undone.
    Changes take_back(std::size_t mark);

    const Symbols* parent_;
    unsigned level_;
    Names names_;
    std::vector<std::pair<std::string, std::optional<Symbol>>> log_;
    unsigned open_branches_ = 0;
};

}  // namespace cooper::build::jinja
