// Flags of the verbs that make something from a pile of blobs.
#pragma once

#include "cooper/delivery/pile.hpp"

#include "connection_flags.hpp"
#include "session.hpp"

#include <string>
#include <vector>

namespace cooper::cli {

struct PileFlags {
    std::vector<std::string> from;
    bool offline = false;
    unsigned jobs = 4;

    /// Its own, then those of `connection` for registries, the store and the network.
    void declare(CommandLine& line, ConnectionFlags& connection);
    /// The places given, then the store, then (unless --offline) the registries that locks name.
    void fill(delivery::BlobPile& pile, Session& session) const;
};

/// "kit.tar: 7 layers, 3.1 GB", a row each.
std::vector<std::pair<std::string, std::string>> use_rows(const delivery::BlobPile& pile);
Json uses_json(const delivery::BlobPile& pile);

}  // namespace cooper::cli
