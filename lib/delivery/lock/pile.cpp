#include "cooper/delivery/pile.hpp"

#include "cooper/base/error.hpp"

#include "base/workers.hpp"
#include "delivery/lock/lock_layers.hpp"
#include "delivery/lock/pile_place.hpp"
#include "delivery/lock/remake.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>

namespace cooper::delivery {
namespace {

using Places = std::vector<std::shared_ptr<PilePlace>>;

constexpr std::string_view kLocksPrefix = "locks/";
constexpr std::string_view kLockSuffix = ".lock.json";
constexpr unsigned kMaxReaders = 4;

/// A blob that a lock names.
struct PiledBlob {
    oci::Descriptor blob;
    std::string owner;                 ///< image, layer and base, for messages
    std::shared_ptr<PilePlace> place;  ///< where it is read from now
    std::shared_ptr<const oci::Blobs> from;
    std::size_t next_place = 0;  ///< of all places, to look at when this one fails
    bool read_whole = false;     ///< and right
    bool failed = false;
};

/// What the readers of the pile share; places are looked up by one thread, blobs read and judged by many.
class PiledBlobs final : public oci::Blobs, public std::enable_shared_from_this<PiledBlobs> {
public:
    [[nodiscard]] std::unique_ptr<Source> open(const oci::Descriptor& blob, std::uint64_t offset,
                                               const Run& run) const override;
    [[nodiscard]] bool verifies() const noexcept override { return true; }

    void judge(const Digest& blob, bool right) const {
        const std::scoped_lock lock(mutex_);
        PiledBlob& piled = blobs.at(blob);
        piled.read_whole = piled.read_whole || right;
        piled.failed = piled.failed || !right;
    }

    mutable std::map<Digest, PiledBlob> blobs;
    std::map<Digest, std::string> documents;

private:
    mutable std::mutex mutex_;
};

/// Reads a blob and tells the pile how it ended. What does not check itself is checked here.
class JudgedBlob final : public Source {
public:
    JudgedBlob(std::shared_ptr<const PiledBlobs> pile, const PiledBlob& piled, const Run& run)
        : pile_(std::move(pile)), digest_(piled.blob.digest), what_(name_of(piled)) {
        guarded([&] {
            inner_ = piled.from->open(piled.blob, 0, run);
            if (!piled.from->verifies()) {
                inner_ = verified(std::move(inner_), digest_, piled.blob.size, "blob");
            }
        });
    }

    std::size_t read(MutableBytes into) override {
        return guarded([&] {
            const std::size_t count = inner_->read(into);
            if (count == 0 && !into.empty()) {
                pile_->judge(digest_, true);
            }
            return count;
        });
    }

private:
    static std::string name_of(const PiledBlob& piled) { return piled.owner + ", in " + piled.place->name(); }

    template <class Body>
    auto guarded(Body body) -> decltype(body()) {
        try {
            return in_context(what_, body);
        } catch (const Error&) {
            pile_->judge(digest_, false);
            throw;
        }
    }

    std::shared_ptr<const PiledBlobs> pile_;
    Digest digest_;
    std::uint64_t left_;
    std::string what_;
    std::unique_ptr<Source> inner_;
};

std::unique_ptr<Source> PiledBlobs::open(const oci::Descriptor& blob, std::uint64_t offset, const Run& run) const {
    if (const auto document = documents.find(blob.digest); document != documents.end()) {
        return MemoryRanged(document->second).open(offset, document->second.size() - offset);
    }
    const auto piled = blobs.find(blob.digest);
    if (piled == blobs.end() || piled->second.from == nullptr) {
        throw Error(ErrorCode::NotFound, "blob " + blob.digest.text() + " is in none of the places");
    }
    if (offset > 0) {
        return piled->second.from->open(blob, offset, run);
    }
    return std::make_unique<JudgedBlob>(shared_from_this(), piled->second, run);
}

/// Where the lock's registries have the blob: the image's own, and its base's.
std::vector<oci::Reference> registries_of(const Lock& lock) {
    std::vector<oci::Reference> references;
    const auto add = [&](const std::string& name, const std::string& digest) {
        try {
            const oci::Reference reference = oci::Reference::parse(name);
            const auto manifest = digest.empty() ? reference.digest() : Digest::try_parse(digest);
            if (manifest) {
                references.push_back(reference.with_digest(*manifest));
            }
        } catch (const Error&) {
            // A base may be called anything: then no registry has it.
        }
    };
    for (const LockedImage& image : lock.images) {
        if (!image.pinned.empty()) {
            add(image.pinned, "");
        }
        if (image.base && !image.base->name.empty() && !image.base->manifest.empty()) {
            add(image.base->name, image.base->manifest);
        }
    }
    return references;
}

}  // namespace

struct BlobPile::State {
    explicit State(std::filesystem::path directory) : spool(std::move(directory)) {}

    /// Goes to the next place that has the blob with its size; false: there is none.
    bool advance(PiledBlob& piled, const Run& run);
    void add_registries_of(const Lock& lock);
    /// nullopt: done. Else why not.
    std::optional<std::string> remake(const LockedLayer& layer, PiledBlob& piled, const Run& run);
    [[nodiscard]] std::vector<std::pair<std::shared_ptr<PilePlace>, oci::Descriptor>> forms_of(const LockedLayer& layer,
                                                                                               const Run& run);
    [[nodiscard]] std::string places_text() const;
    void read_the_rest(const Run& run);

    std::filesystem::path spool;
    Places places;
    std::function<oci::RegistryClient&()> client;
    std::set<std::string> registries;  ///< that are among the places
    std::shared_ptr<PiledBlobs> pile = std::make_shared<PiledBlobs>();
};

bool BlobPile::State::advance(PiledBlob& piled, const Run& run) {
    while (piled.next_place < places.size()) {
        const auto& place = places[piled.next_place++];
        if (place->find_size(piled.blob.digest, run) == piled.blob.size) {
            piled.place = place;
            piled.from = place->blobs();
            return true;
        }
    }
    piled.from = nullptr;
    return false;
}

void BlobPile::State::add_registries_of(const Lock& lock) {
    for (oci::Reference& reference : registries_of(lock)) {
        if (client && registries.insert(reference.text()).second) {
            places.push_back(place_of_registry(client, std::move(reference)));
        }
    }
}

/// Blobs of the same tar, the cheapest to read from first.
std::vector<std::pair<std::shared_ptr<PilePlace>, oci::Descriptor>> BlobPile::State::forms_of(const LockedLayer& layer,
                                                                                              const Run& run) {
    std::vector<std::pair<std::shared_ptr<PilePlace>, oci::Descriptor>> forms;
    std::vector<Digest> known{layer.diff_id};
    if (layer.made_from) {
        known.push_back(*layer.made_from);
    }
    for (const Digest& digest : known) {
        for (const auto& place : places) {
            if (const auto size = place->find_size(digest, run)) {
                forms.push_back({place, {{}, digest, *size, {}, {}, {}, {}}});
            }
        }
    }
    for (const auto& place : places) {
        for (oci::Descriptor& form : place->forms_of(layer.diff_id, run)) {
            forms.push_back({place, std::move(form)});
        }
    }
    return forms;
}

std::optional<std::string> BlobPile::State::remake(const LockedLayer& layer, PiledBlob& piled, const Run& run) {
    const auto forms = forms_of(layer, run);
    if (forms.empty()) {
        return "";
    }
    const std::string at_hand = "its tar is at hand in " + forms[0].first->name() +
                                ", so that the layer can be verified to its diff ID " + layer.diff_id.shortened() +
                                ", but its blob cannot be made again: ";
    const auto recipe = recipe_of(layer);
    if (!recipe) {
        return at_hand + (layer.compressor.empty() ? "the lock does not say what compressed it"
                                                   : "this cooper has no compressor " + layer.compressor);
    }
    const bool plain = recipe->compression.kind == Compression::None;
    if (!plain && recipe->fingerprint != layer.compressor) {
        return at_hand + "it was compressed by " + layer.compressor + ", and the compressor here is " +
               recipe->fingerprint;
    }
    std::string why;
    for (const auto& [place, form] : forms) {
        try {
            const auto file = remake_layer(layer, *recipe, form, *place->blobs(), spool, run);
            piled.place = place_of_file("made again from " + place->name(), piled.blob, file);
            piled.from = piled.place->blobs();
            return std::nullopt;
        } catch (const Error& error) {
            why += (why.empty() ? "" : "; ") + place->name() + ": " + error.what();
        }
    }
    return "it could not be made again from its tar: " + why;
}

std::string BlobPile::State::places_text() const {
    std::string text;
    for (const auto& place : places) {
        text += (text.empty() ? "" : ", ") + place->name();
    }
    return text.empty() ? "no place was given" : "looked in " + text;
}

/// Hashes the blobs that were not yet read, but for those of registries, which would be fetched twice.
void BlobPile::State::read_the_rest(const Run& run) {
    std::vector<const PiledBlob*> rest;
    for (const auto& [digest, piled] : pile->blobs) {
        if (!piled.read_whole && !piled.failed && piled.from != nullptr && piled.place->is_near()) {
            rest.push_back(&piled);
        }
    }
    std::atomic<std::size_t> next{0};
    Workers workers(run);
    for (std::size_t i = 0; i < std::min<std::size_t>(kMaxReaders, rest.size()); ++i) {
        workers.start([&, worker_run = workers.run()] {
            std::vector<std::byte> buffer(kStreamStep);
            for (std::size_t index = next++; index < rest.size(); index = next++) {
                try {
                    const auto source = pile->open(rest[index]->blob, 0, worker_run);
                    while (source->read(buffer) > 0) {
                        worker_run.check();
                    }
                } catch (const Error&) {
                    continue;  // it was judged
                }
            }
        });
    }
    workers.join();
}

BlobPile::BlobPile(std::filesystem::path spool) : state_(std::make_shared<State>(std::move(spool))) {}
BlobPile::~BlobPile() = default;

void BlobPile::add_store(const oci::Store& store) {
    state_->places.push_back(place_of_store(store));
}

void BlobPile::add_place(const std::string& place, const Run& run) {
    state_->places.push_back(open_pile_place(place, state_->spool, run));
}

void BlobPile::add_registries(std::function<oci::RegistryClient&()> client) {
    state_->client = std::move(client);
}

std::vector<BlobPile::KitLock> BlobPile::locks() const {
    std::vector<KitLock> locks;
    for (const auto& place : state_->places) {
        const oci::ArchiveFile* archive = place->archive();
        for (const std::string& member :
             archive == nullptr ? std::vector<std::string>() : archive->members_below(kLocksPrefix)) {
            if (member.ends_with(kLockSuffix)) {
                std::string name = member.substr(kLocksPrefix.size());
                name.resize(name.size() - kLockSuffix.size());
                locks.push_back({std::move(name), place->name(), archive->find_text(member, kMaxLock).value()});
            }
        }
    }
    return locks;
}

void BlobPile::complete(const Lock& lock, const Run& run) {
    state_->add_registries_of(lock);
    const auto owners = owners_of(lock);
    std::string missing;
    std::size_t count = 0;
    for (const LockedLayer& layer : lock.layers) {
        PiledBlob& piled =
            state_->pile->blobs.try_emplace(layer.blob.digest, PiledBlob{layer.blob, {}, {}, {}}).first->second;
        if (piled.from != nullptr) {
            continue;
        }
        const auto owner = owners.find(layer.blob.digest);
        piled.owner = owner == owners.end() ? layer.blob.digest.text() : owner->second;
        piled.next_place = 0;
        if (state_->advance(piled, run)) {
            continue;
        }
        if (const auto why = state_->remake(layer, piled, run)) {
            ++count;
            missing += "\n" + layer.blob.digest.text() + " (" + piled.owner + ")" + (why->empty() ? "" : ": " + *why);
        }
    }
    if (count > 0) {
        NotReproducible error(std::to_string(count) + " of the " + std::to_string(lock.layers.size()) + " layers of " +
                              lock.output.name + (count == 1 ? " is" : " are") + " nowhere" + missing);
        error.advise(state_->places_text() + "; name another with --from: a kit, an older tarball, an OCI layout");
        throw error;
    }
}

std::optional<std::string> BlobPile::place_of(const Digest& blob) const {
    const auto found = state_->pile->blobs.find(blob);
    return found == state_->pile->blobs.end() || found->second.from == nullptr
               ? std::nullopt
               : std::optional(found->second.place->name());
}

std::shared_ptr<const oci::Blobs> BlobPile::blobs() const {
    return state_->pile;
}

void BlobPile::keep(const Digest& digest, std::string bytes) {
    if (const Digest actual = sha256(bytes); actual != digest) {
        throw IntegrityError("a document", digest.text(), actual.text());
    }
    state_->pile->documents.insert_or_assign(digest, std::move(bytes));
}

bool BlobPile::recover(const Run& run) {
    const auto pass_over = [&] {
        bool moved = false;
        for (auto& [digest, piled] : state_->pile->blobs) {
            if (piled.failed) {
                if (!state_->advance(piled, run)) {
                    return std::optional<bool>();
                }
                piled.failed = false;
                moved = true;
            }
        }
        return std::optional(moved);
    };
    auto moved = pass_over();
    if (!moved || !*moved) {
        return false;
    }
    while (moved && *moved) {
        state_->read_the_rest(run);
        moved = pass_over();
    }
    return moved.has_value();
}

std::vector<BlobPile::Use> BlobPile::uses() const {
    std::vector<Use> uses;
    for (const auto& [digest, piled] : state_->pile->blobs) {
        if (piled.from == nullptr) {
            continue;
        }
        auto use =
            std::find_if(uses.begin(), uses.end(), [&](const Use& each) { return each.place == piled.place->name(); });
        if (use == uses.end()) {
            use = uses.insert(uses.end(), Use{piled.place->name()});
        }
        ++use->blobs;
        use->bytes += piled.blob.size;
    }
    const auto number = [&](const Use& use) {
        return std::find_if(state_->places.begin(), state_->places.end(),
                            [&](const auto& place) { return place->name() == use.place; }) -
               state_->places.begin();
    };
    std::stable_sort(uses.begin(), uses.end(), [&](const Use& a, const Use& b) { return number(a) < number(b); });
    return uses;
}

}  // namespace cooper::delivery
