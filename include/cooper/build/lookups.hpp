// Where images are looked up before one is built, one place after another.
#pragma once

#include "cooper/build/builder.hpp"
#include "cooper/build/reuse.hpp"
#include "cooper/oci/store.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace cooper::build {

/// What the builder itself has: an engine its own images, the Runtime API those of its registry. `pull` changes
/// nothing: an engine that is to build on an image of a registry fetches it by itself, at FROM. Borrows the builder.
class BuilderLookup final : public ImageLookup {
public:
    explicit BuilderLookup(Builder& builder) : builder_(builder) {}
    bool exists(const std::string& image, bool pull, const Run& run) override;

private:
    Builder& builder_;
};

/// The local store: a name counts when all blobs of its image (of an index: of one of its images) are here. With `pull`
/// an image that is found is handed to `load` (an engine has to have what it is to build on) before exists() returns;
/// empty: it is not. What `load` throws is thrown. Borrows the store.
class StoreLookup final : public ImageLookup {
public:
    using Load = std::function<void(const std::string& image, const Run& run)>;
    explicit StoreLookup(oci::Store& store, Load load = {}) : store_(store), load_(std::move(load)) {}
    bool exists(const std::string& image, bool pull, const Run& run) override;

private:
    oci::Store& store_;
    Load load_;
};

/// Several places in order; the first that has the image answers. Each gets `pull` as it comes, and means by it what
/// its own class says: a RegistryLookup ignores it, so that an image which must be at hand (`pull` false: v0's source
/// image) is found in a registry as well, as the Runtime API does it. Leave the registry out where that is not wanted.
/// Not thread-safe.
class PlacesLookup final : public ImageLookup {
public:
    /// `name` stands in messages and in found_in(): "engine", "registry", "store". `required`: a place that cannot be
    /// asked is an error; false: it is passed over with a warning, once. A registry that answers 401, 403 or 404 has no
    /// such image for us, in either case: many hide what does not exist.
    void add(std::string name, std::unique_ptr<ImageLookup> place, bool required);
    bool exists(const std::string& image, bool pull, const Run& run) override;
    /// Where exists() found the image last; empty: nowhere.
    [[nodiscard]] std::string found_in(const std::string& image) const;

private:
    struct Place {
        std::string name;
        std::unique_ptr<ImageLookup> lookup;
        bool required = true;
        bool gone = false;
    };
    bool is_at(Place& place, const std::string& image, bool pull, const Run& run);

    std::vector<Place> places_;
    std::map<std::string, std::string> found_;
};

}  // namespace cooper::build
