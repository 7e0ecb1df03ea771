// AWS's client for JavaScript and the Encryption SDK on top of it. The endpoint, the credentials and a key come in the environment.

import assert from 'node:assert/strict'
import test from 'node:test'

import {
  KmsKeyringNode,
  NodeCachingMaterialsManager,
  AwsKmsMrkAwareSymmetricDiscoveryKeyringNode,
  AwsKmsMrkAwareSymmetricKeyringNode,
  buildClient,
  CommitmentPolicy,
  getClient,
  getLocalCryptographicMaterialsCache,
} from '@aws-crypto/client-node'
import {
  CreateAliasCommand,
  CreateKeyCommand,
  DecryptCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EncryptCommand,
  GetKeyPolicyCommand,
  KMS,
  KMSClient,
  ReplicateKeyCommand,
  paginateListAliases,
} from '@aws-sdk/client-kms'

const settings = { endpoint: process.env.KEYWARD_ENDPOINT, maxAttempts: 1 }
const client = (region = 'us-east-1') => new KMSClient({ ...settings, region })
const { encrypt, decrypt } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
const clientProvider = getClient(KMS, settings)

const newKey = async (parameters = {}) => (await client().send(new CreateKeyCommand(parameters))).KeyMetadata

/** A provider of clients that counts the calls of an operation. */
function counting(operation) {
  const counted = { calls: 0 }
  counted.provider = (region) => {
    const kms = clientProvider(region)
    kms.middlewareStack.add(
      (next, context) => (args) => {
        if (context.commandName === `${operation}Command`) counted.calls += 1
        return next(args)
      },
      { step: 'initialize', name: 'counting', override: true }
    )
    return kms
  }
  return counted
}

test('shapes, times and errors are what the client expects', async () => {
  const key = await newKey({ Description: 'from JavaScript' })
  assert.ok(key.CreationDate instanceof Date && Math.abs(Date.now() - key.CreationDate) < 60_000)
  assert.equal(key.Description, 'from JavaScript')
  const { CiphertextBlob } = await client().send(
    new EncryptCommand({ KeyId: key.Arn, Plaintext: Buffer.from('x'), EncryptionContext: { a: 'b' } })
  )
  const opened = await client().send(new DecryptCommand({ CiphertextBlob, EncryptionContext: { a: 'b' } }))
  assert.equal(Buffer.from(opened.Plaintext).toString(), 'x')
  const failing = (command) => client().send(command).then(assert.fail, (error) => error)
  const tampered = await failing(new DecryptCommand({ CiphertextBlob }))
  assert.equal(tampered.name, 'InvalidCiphertextException')
  assert.equal(tampered.$metadata.httpStatusCode, 400)
  assert.match(tampered.$metadata.requestId, /^[0-9a-f-]{36}$/)
  const missing = await failing(new DescribeKeyCommand({ KeyId: '00000000-0000-4000-8000-000000000000' }))
  assert.equal(missing.name, 'NotFoundException')
  assert.match(missing.message, /^Key 'arn:aws:kms:us-east-1:\d{12}:key\/00000000-0000-4000-8000-000000000000' does not exist$/)
  const dry = await failing(new EncryptCommand({ KeyId: key.Arn, Plaintext: Buffer.from('x'), DryRun: true }))
  assert.equal(dry.name, 'DryRunOperationException')
  await client().send(new DisableKeyCommand({ KeyId: key.KeyId }))
  const disabled = await failing(new EncryptCommand({ KeyId: key.Arn, Plaintext: Buffer.from('x') }))
  assert.equal(disabled.name, 'DisabledException')
  assert.equal(disabled.message, `${key.Arn} is disabled.`)
  const { Policy } = await client().send(new GetKeyPolicyCommand({ KeyId: key.KeyId }))
  assert.equal(JSON.parse(Policy).Id, 'key-default-1')
})

test('paginators find every alias', async () => {
  const key = await newKey()
  const names = ['alias/js-1', 'alias/js-2', 'alias/js-3']
  for (const AliasName of names) await client().send(new CreateAliasCommand({ AliasName, TargetKeyId: key.KeyId }))
  const found = []
  for await (const page of paginateListAliases({ client: client(), pageSize: 2 }, { KeyId: key.KeyId })) found.push(...page.Aliases)
  assert.deepEqual(found.map((alias) => alias.AliasName), names)
})

test('a message under two keys opens with either, and only with its context', async () => {
  const [first, second] = [await newKey(), await newKey()]
  const keyring = new KmsKeyringNode({ clientProvider, generatorKeyId: first.Arn, keyIds: [second.Arn] })
  const { result } = await encrypt(keyring, Buffer.from('a message'), { encryptionContext: { purpose: 'test' } })
  for (const { Arn } of [first, second]) {
    const { plaintext, messageHeader } = await decrypt(new KmsKeyringNode({ clientProvider, keyIds: [Arn] }), result)
    assert.equal(plaintext.toString(), 'a message')
    assert.equal(messageHeader.encryptionContext.purpose, 'test')
  }
  const discovery = new KmsKeyringNode({
    clientProvider,
    discovery: true,
    discoveryFilter: { accountIDs: [first.AWSAccountId], partition: 'aws' },
  })
  assert.equal((await decrypt(discovery, result)).plaintext.toString(), 'a message')
  const stranger = await newKey()
  await assert.rejects(decrypt(new KmsKeyringNode({ clientProvider, keyIds: [stranger.Arn] }), result))
  for (const { KeyId } of [first, second]) await client().send(new DisableKeyCommand({ KeyId }))
  await assert.rejects(decrypt(discovery, result))
})

test('cached data keys are asked for once', async () => {
  const key = await newKey()
  const counted = counting('GenerateDataKey')
  const backingMaterials = new KmsKeyringNode({ clientProvider: counted.provider, generatorKeyId: key.Arn })
  const cache = getLocalCryptographicMaterialsCache(10)
  const materials = new NodeCachingMaterialsManager({ backingMaterials, cache, maxAge: 60_000, maxMessagesEncrypted: 10 })
  const sealed = []
  for (const text of ['one', 'two', 'three']) sealed.push((await encrypt(materials, text, { plaintextLength: text.length })).result)
  assert.equal(counted.calls, 1)
  const opened = await Promise.all(sealed.map((message) => decrypt(backingMaterials, message)))
  assert.deepEqual(opened.map(({ plaintext }) => plaintext.toString()), ['one', 'two', 'three'])
})

test('what was sealed under a primary opens under its replica', { skip: process.env.KEYWARD_HAS_REPLICAS !== '1' }, async () => {
  const primary = await newKey({ MultiRegion: true })
  await client().send(new ReplicateKeyCommand({ KeyId: primary.KeyId, ReplicaRegion: 'eu-west-1' }))
  const here = new AwsKmsMrkAwareSymmetricKeyringNode({ keyId: primary.Arn, client: clientProvider('us-east-1') })
  const { result } = await encrypt(here, 'far away')
  const there = new AwsKmsMrkAwareSymmetricKeyringNode({
    keyId: primary.Arn.replace('us-east-1', 'eu-west-1'),
    client: clientProvider('eu-west-1'),
  })
  assert.equal((await decrypt(there, result)).plaintext.toString(), 'far away')
  const discovery = new AwsKmsMrkAwareSymmetricDiscoveryKeyringNode({
    client: clientProvider('eu-west-1'),
    discoveryFilter: { accountIDs: [primary.AWSAccountId], partition: 'aws' },
  })
  assert.equal((await decrypt(discovery, result)).plaintext.toString(), 'far away')
})
