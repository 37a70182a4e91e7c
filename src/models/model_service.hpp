#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "audit/audit_service.hpp"
#include "blobs/blob_store.hpp"
#include "core/error.hpp"
#include "inference/model.hpp"
#include "inference/model_catalogue.hpp"
#include "models/stored_model.hpp"

namespace infernode {

namespace asio = boost::asio;

// What a model finds in its picture: objects, as its pipeline gives them. `invalid` with a sentence
// for one that is not sound. Neither file has to be trusted.
struct StoredTrial {
  std::string manifest;
  BlobId file;
  std::int64_t file_bytes = 0;
  std::vector<std::byte> picture;
  double confidence = 0;  // what is found with less is left out
};
using TryModel = std::function<asio::awaitable<Result<boost::json::array>>(StoredTrial trial)>;

// Models that administrators bring to the installation. All of it must outlive it.
class ModelService {
public:
  // `shipped`: those that the installation came with, whose names are taken.
  ModelService(db::Pool& database, BlobStore& blobs, AuditService& audit,
               const inference::ModelCatalogue& shipped, TryModel try_model)
      : database_{database},
        blobs_{blobs},
        audit_{audit},
        shipped_{shipped},
        try_model_{std::move(try_model)} {}

  // Whether a model with this manifest could be added: `invalid`, naming the place, or `conflict`.
  Result<inference::Model> check(const std::string& manifest) const;
  // Whether files of these sizes could be added; `too_large`, naming the part.
  static Result<void> check_sizes(std::int64_t model_bytes, std::int64_t picture_bytes);
  // Tries the model and keeps it when it finds in its picture what its manifest says; its staged
  // file is adopted. `invalid` with what is wrong, `conflict`. `admin`: nullopt for somebody at a
  // server's command line.
  asio::awaitable<Result<inference::Model>> add(std::optional<UserId> admin, NewModel model);
  // not_found; conflict for one that the installation came with.
  asio::awaitable<Result<void>> remove(std::optional<UserId> admin, std::string name);
  // Tries a model again; what differs, nothing where it is sound. not_found, also for those that
  // the installation came with.
  asio::awaitable<Result<std::vector<std::string>>> test(std::string name);
  // By name.
  asio::awaitable<std::vector<StoredModel>> list();

private:
  asio::awaitable<Result<std::vector<std::string>>> differences(StoredTrial trial,
                                                                inference::Golden golden);

  db::Pool& database_;
  BlobStore& blobs_;
  AuditService& audit_;
  const inference::ModelCatalogue& shipped_;
  TryModel try_model_;
};

}  // namespace infernode
