//! The clouds whose stores can be used, by the same few calls. Each is named by its type: a trait object would
//! link the methods that are never called, too.

use std::{hint::black_box, str::FromStr, time::Duration};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::Method;
use object_store::{
    BackoffConfig, GetOptions, GetResult, ListResult, ObjectStore as _, PutOptions, PutPayload, PutResult, Result,
    RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey},
    azure::{AzureConfigKey, MicrosoftAzure, MicrosoftAzureBuilder},
    gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder, GoogleConfigKey},
    path::Path as Location,
    signer::Signer as _,
};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{
    address::{BucketUrl, Cloud},
    wire::StoreConnector,
};

/// Repetitions of one request. `object_store`'s own are ten within three minutes, and a call waits for ten seconds.
const RETRY: RetryConfig = RetryConfig {
    backoff: BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(2), base: 2. },
    max_retries: 3,
    retry_timeout: Duration::from_secs(20),
};

/// Sets an option of a builder. It is called by its address: copied into its caller, it would be 100 kB of moves
/// between the builder's fields.
type Set<Builder, Key> = fn(Builder, Key, String) -> Builder;

/// A store of a cloud.
pub(super) enum CloudStore {
    Amazon(AmazonS3),
    Google(GoogleCloudStorage),
    Azure(MicrosoftAzure),
}

impl CloudStore {
    pub(super) fn build(url: &BucketUrl, options: &[(&str, SecretString)]) -> Result<Self> {
        match url.cloud() {
            Cloud::Amazon => amazon(url.bucket(), options).map(Self::Amazon),
            Cloud::Google => google(url.bucket(), options).map(Self::Google),
            Cloud::Azure => azure(url.bucket(), options).map(Self::Azure),
        }
    }

    pub(super) async fn put(&self, at: &Location, bytes: PutPayload, options: PutOptions) -> Result<PutResult> {
        match self {
            Self::Amazon(store) => store.put_opts(at, bytes, options),
            Self::Google(store) => store.put_opts(at, bytes, options),
            Self::Azure(store) => store.put_opts(at, bytes, options),
        }
        .await
    }

    pub(super) async fn get(&self, at: &Location, options: GetOptions) -> Result<GetResult> {
        match self {
            Self::Amazon(store) => store.get_opts(at, options),
            Self::Google(store) => store.get_opts(at, options),
            Self::Azure(store) => store.get_opts(at, options),
        }
        .await
    }

    pub(super) async fn list(&self, folder: &Location) -> Result<ListResult> {
        match self {
            Self::Amazon(store) => store.list_with_delimiter(Some(folder)),
            Self::Google(store) => store.list_with_delimiter(Some(folder)),
            Self::Azure(store) => store.list_with_delimiter(Some(folder)),
        }
        .await
    }

    pub(super) async fn delete(&self, at: &Location) -> Result<()> {
        let at = at.clone();
        let at = stream::once(async { Ok(at) }).boxed();
        let mut deleted = match self {
            Self::Amazon(store) => store.delete_stream(at),
            Self::Google(store) => store.delete_stream(at),
            Self::Azure(store) => store.delete_stream(at),
        };
        deleted.try_next().await.map(drop)
    }

    /// A link that opens an object for this time.
    pub(super) async fn link(&self, at: &Location, valid: Duration) -> Result<Url> {
        match self {
            Self::Amazon(store) => store.signed_url(Method::GET, at, valid),
            Self::Google(store) => store.signed_url(Method::GET, at, valid),
            Self::Azure(store) => store.signed_url(Method::GET, at, valid),
        }
        .await
    }
}

fn amazon(bucket: &str, options: &[(&str, SecretString)]) -> Result<AmazonS3> {
    // Seen through, the address would be copied in all the same.
    let set: Set<AmazonS3Builder, AmazonS3ConfigKey> = black_box(AmazonS3Builder::with_config);
    let builder = AmazonS3Builder::new().with_retry(RETRY).with_http_connector(StoreConnector);
    let builder = configured(builder, set, options, by_name);
    // Not every server that speaks S3's API removes several at once.
    let builder = set(builder, AmazonS3ConfigKey::DisableBulkDelete, "true".to_owned());
    set(builder, AmazonS3ConfigKey::Bucket, bucket.to_owned()).build()
}

fn google(bucket: &str, options: &[(&str, SecretString)]) -> Result<GoogleCloudStorage> {
    let set: Set<GoogleCloudStorageBuilder, GoogleConfigKey> = black_box(GoogleCloudStorageBuilder::with_config);
    let builder = GoogleCloudStorageBuilder::new().with_retry(RETRY).with_http_connector(StoreConnector);
    set(configured(builder, set, options, by_name), GoogleConfigKey::Bucket, bucket.to_owned()).build()
}

fn azure(container: &str, options: &[(&str, SecretString)]) -> Result<MicrosoftAzure> {
    let set: Set<MicrosoftAzureBuilder, AzureConfigKey> = black_box(MicrosoftAzureBuilder::with_config);
    let builder = MicrosoftAzureBuilder::new().with_retry(RETRY).with_http_connector(StoreConnector);
    let key = |name: &str| match name {
        // As Azure's own command line has them.
        "AZURE_STORAGE_ACCOUNT" => Some(AzureConfigKey::AccountName),
        "AZURE_STORAGE_KEY" => Some(AzureConfigKey::AccessKey),
        name => by_name(name),
    };
    set(configured(builder, set, options, key), AzureConfigKey::ContainerName, container.to_owned()).build()
}

/// Sets the options that a builder knows.
fn configured<Builder, Key>(
    builder: Builder,
    set: Set<Builder, Key>,
    options: &[(&str, SecretString)],
    key: impl Fn(&str) -> Option<Key>,
) -> Builder {
    options.iter().fold(builder, |builder, (name, value)| match key(name) {
        Some(key) => set(builder, key, value.expose_secret().to_owned()),
        None => builder,
    })
}

fn by_name<Key: FromStr>(name: &str) -> Option<Key> {
    name.to_ascii_lowercase().parse().ok()
}
